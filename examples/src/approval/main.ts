/**
 * An order that two different people have to approve within three days, on an embedded engine: with reminders, an escalation,
 * and a model whose words stream to the terminal and are paid from a budget. Kill it at any moment, and start it again with the
 * same `--order`; type `cancel` while the model speaks, and what was reserved for the rest is given back.
 */
import { resolve } from 'node:path'
import { isEngineError, parseSigningSecrets } from '@flowfabric/core'
import { createEmbedded, describeAddress, keepSigningSecrets, readStoreAddress } from '@flowfabric/embedded'
import { serveApi } from '../serve-api.js'
import { chooseStore } from '../store.js'
import { takeAnswers } from './answers.js'
import { type ApprovalArguments, readArguments, usage } from './arguments.js'
import { startModelServer } from './model-server.js'
import { createScreen } from './screen.js'
import { startOrder } from './start-order.js'

/** A day of the demonstration. */
const DAY_MS = Number(process.env.APPROVAL_DAY_MS ?? 86_400_000)
const PAUSE_MS = Number(process.env.APPROVAL_PAUSE_MS ?? 60)
/** After a kill, what was running begins again when its lease has run out. */
const LEASE_TTL_MS = 4_000
/** All orders share it. */
const BUDGET_ID = '0198f2f4-6a55-7c1e-9d0b-3f6a2b5c7d81'

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
  const order = await startOrder({
    connect: { url: api.url, token: api.token },
    name: options.order,
    modelUrl: model.url,
    budgetId: BUDGET_ID,
    dayMs: DAY_MS,
    leaseTtlMs: LEASE_TTL_MS,
    screen,
  })
  const stopAnswers = takeAnswers(order, say)
  let stopping: Promise<void> | undefined
  const stop = () => {
    stopping ??= (async () => {
      stopAnswers()
      await order.stop()
      model.close()
      await api.stop()
      await embedded.stop({ graceMs: 1_000 })
    })()
    return stopping
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say(`\nflowfabric: stopping (${signal}); start again with --order ${options.order} to go on`)
      void stop().then(() => process.exit(signal === 'SIGINT' ? 130 : 143))
    })
  }
  await order.ended
  await stop()
  return 0
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
