/**
 * A census of the source tree that this program stands in, as a durable flow on an embedded engine. Kill it at any
 * moment and start it again: it goes on where it was.
 */
import { isEngineError } from '@flowfabric/core'
import { createEmbedded, describeAddress, type Embedded, readStoreAddress } from '@flowfabric/embedded'
import { createClient, createWorker } from '@flowfabric/sdk'
import { serveApi } from '../serve-api.js'
import { chooseStore } from '../store.js'
import { type CensusArguments, readArguments, usage } from './arguments.js'
import { describeApi } from './describe-api.js'
import { Board } from './display/board.js'
import { createDisplay } from './display/display.js'
import { tasks } from './flow.js'
import { findTree } from './git.js'
import { describeProgress, findOrSubmit, listRunTwice } from './resume.js'
import { watchFlow } from './watch-flow.js'

/** After a kill, what was running begins again when its lease has run out: soon, so that nobody waits for it. */
const LEASE_TTL_MS = 4_000
/** And so is the share of the background work that was the killed process's. */
const ENGINE = { heartbeatMs: 1_000, aliveMs: LEASE_TTL_MS }
const CONCURRENCY = 4

const say = (text: string) => void process.stdout.write(`${text}\n`)

async function main(options: CensusArguments): Promise<number> {
  const root = await findTree(options.tree ?? process.cwd())
  const store = chooseStore(options.store, process.env)
  say(`flowfabric: opening the store ${describeAddress(readStoreAddress(store.store))} …`)
  const embedded = await createEmbedded({ ...store, engine: ENGINE })
  const stopping = stopOnSignals(embedded)
  await embedded.start()
  const api = options.once ? undefined : await serveApi(embedded, options.port)
  const client = createClient({ connect: embedded.engine })
  const worker = createWorker({
    connect: embedded.engine,
    tasks,
    concurrency: CONCURRENCY,
    // Nothing waits here, so that after a kill only what was running has to begin again.
    prefetchMax: 0,
    leaseTtlMs: LEASE_TTL_MS,
    workerId: 'census',
  })
  stopping.before(async () => {
    await worker.drain({ graceMs: 2_000 })
    client.close()
    await api?.stop()
  })

  const { flow, isResumed } = await findOrSubmit(client, root)
  if (isResumed) {
    say(`Going on with the census ${flow.id}, which was interrupted: ${await describeProgress(flow)}.`)
    say(`What was running begins again when its lease has run out, within ${LEASE_TTL_MS / 1_000} s.`)
  } else say(`A census of ${root}, as flow ${flow.id}.`)
  say('')

  const display = createDisplay(new Board(), process.stdout, () => Date.now())
  const watching = new AbortController()
  const watched = watchFlow(client, flow, display, watching.signal)
  await worker.start()
  const end = await flow.end()
  // The last events may still be on their way.
  setTimeout(() => watching.abort(), 300)
  await watched
  display.close()

  say('')
  say(`The census has ${end.outcome}.`)
  const report = end.results['write-report']
  if (report != null) {
    const { path, text } = JSON.parse(Buffer.from(report).toString('utf8')) as { path: string; text: string }
    say(`${text}\n\nThe report is in ${path}.`)
  }
  const twice = await listRunTwice(client, flow)
  if (twice.length > 0) {
    say('\nRun more than once, because the process that ran them was killed (each outcome is recorded once):')
    for (const line of twice) say(`  ${line}`)
  }
  const code = end.outcome === 'completed' ? 0 : 1
  if (api === undefined) {
    await stopping.stop()
    return code
  }
  say(`\n${describeApi(api, flow.id)}`)
  return stopping.wait()
}

/** Ctrl-C and SIGTERM end everything in order: the worker hands back what it has, then the store is closed. */
function stopOnSignals(embedded: Embedded) {
  let stopFirst: () => Promise<void> = async () => undefined
  let stopped: Promise<void> | undefined
  let leave: (code: number) => void = () => undefined
  const left = new Promise<number>((resolveLeft) => {
    leave = resolveLeft
  })
  const stop = () => {
    stopped ??= stopFirst().then(() => embedded.stop({ graceMs: 2_000 }))
    return stopped
  }
  const onSignal = (signal: NodeJS.Signals) => {
    say(`\nflowfabric: stopping (${signal}) …`)
    void stop().then(() => {
      leave(0)
      process.exit(signal === 'SIGINT' ? 130 : 143)
    })
  }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  return {
    before: (first: () => Promise<void>) => {
      stopFirst = first
    },
    stop,
    wait: () => left,
  }
}

function readOrExplain(): CensusArguments | undefined {
  try {
    return readArguments(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`flowfabric: ${(error as Error).message}\n${usage}\n`)
    return undefined
  }
}

function explain(error: unknown): string {
  if (!isEngineError(error, 'store_in_use')) return error instanceof Error ? error.message : String(error)
  const { url, pid } = error.details
  const where = url === undefined ? `process ${pid}` : url
  return `the store is in use by ${where}: stop that one first, or give this one another --store`
}

const options = readOrExplain()
if (options === undefined) process.exitCode = 2
else {
  try {
    process.exitCode = await main(options)
  } catch (error) {
    process.stderr.write(`flowfabric: ${explain(error)}\n`)
    process.exitCode = 1
  }
}
