/**
 * An order that two different people have to approve within three days, on an embedded engine: with reminders, an escalation,
 * and a model whose words stream to the terminal. Kill it at any moment, and start it again with the same `--order`.
 */
import { resolve } from 'node:path'
import { isEngineError, parseSigningSecrets } from '@flowfabric/core'
import { createEmbedded, describeAddress, keepSigningSecrets, readStoreAddress } from '@flowfabric/embedded'
import { createClient, createWorker } from '@flowfabric/sdk'
import { serveApi } from '../serve-api.js'
import { chooseStore } from '../store.js'
import { takeAnswers } from './answers.js'
import { type ApprovalArguments, readArguments, usage } from './arguments.js'
import { startModelServer } from './model-server.js'
import { defineOrder, type OrderEnd, ship } from './order.js'
import { createPost } from './post.js'
import { createScreen } from './screen.js'
import { watchOrder } from './watch-order.js'

/** A day of the demonstration. Tests have shorter ones. */
const DAY_MS = Number(process.env.APPROVAL_DAY_MS ?? 86_400_000)
const PAUSE_MS = Number(process.env.APPROVAL_PAUSE_MS ?? 60)
/** After a kill, what was running begins again when its lease has run out. */
const LEASE_TTL_MS = 4_000

const screen = createScreen((text) => void process.stdout.write(text))
const say = (text: string) => screen.line(text)

async function main(options: ApprovalArguments): Promise<number> {
  const store = chooseStore(options.store, process.env)
  say(`flowfabric: opening the store ${describeAddress(readStoreAddress(store.store))} …`)
  const { FF_SIGNING_KEYS: keys } = process.env
  const embedded = await createEmbedded({
    ...store,
    // The links must stay good when this process is started again.
    signingSecrets:
      keys === undefined ? keepSigningSecrets(resolve(options.store)) : parseSigningSecrets(keys),
    engine: { heartbeatMs: 1_000, aliveMs: LEASE_TTL_MS },
  })
  await embedded.start()
  const api = await serveApi(embedded, options.port)
  const model = await startModelServer(PAUSE_MS)
  const order = defineOrder({ post: createPost(say), modelUrl: model.url, dayMs: DAY_MS })

  const connect = { url: api.url, token: api.token }
  const client = createClient({ connect })
  const visitor = createClient({ connect: { url: api.url } })
  const worker = createWorker({ connect, tasks: [order, ship], leaseTtlMs: LEASE_TTL_MS, workerId: 'orders' })
  const watching = new AbortController()
  let stopAnswers = () => {}
  const stop = async () => {
    watching.abort()
    stopAnswers()
    await worker.drain({ graceMs: 1_000 })
    for (const each of [client, visitor]) each.close()
    model.close()
    await api.stop()
    await embedded.stop({ graceMs: 1_000 })
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say(`\nflowfabric: stopping (${signal}); start again with --order ${options.order} to go on`)
      void stop().then(() => process.exit(signal === 'SIGINT' ? 130 : 143))
    })
  }

  await worker.start()
  const input = { item: 'a printing press', euros: 12_000 }
  const handle = await client.submit(order, input, { idempotencyKey: options.order })
  say(
    handle.isDuplicate
      ? `Going on with ${options.order}, as ${handle.id}.`
      : `${options.order}, as ${handle.id}.`,
  )
  stopAnswers = takeAnswers(handle, visitor, say)
  await watchOrder(handle, screen, watching.signal)
  say(describeEnd(await handle.result()))
  await stop()
  return 0
}

function describeEnd({ outcome, approvedBy, because }: OrderEnd): string {
  const by = approvedBy.length === 0 ? 'nobody' : approvedBy.join(' and ')
  return `The order is ${outcome}; approved by ${by}${because === undefined ? '' : `; ${because}`}.`
}

function explain(error: unknown): string {
  if (!isEngineError(error, 'store_in_use')) return error instanceof Error ? error.message : String(error)
  return `the store is in use by process ${error.details.pid}: stop that one first, or give this one another --store`
}

function readOrExplain(): ApprovalArguments | undefined {
  try {
    return readArguments(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`flowfabric: ${(error as Error).message}\n${usage}\n`)
    return undefined
  }
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
