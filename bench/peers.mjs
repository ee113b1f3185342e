/**
 * FlowFabric as an adapter of a benchmark that runs it beside other systems. It uses what a user of the SDK would write,
 * and nothing else: the engine in process over Postgres, PGlite or Valkey, a client, a worker.
 */
import { join } from 'node:path'
import { createEmbedded } from '@flowfabric/embedded'
import { createClient, createWorker, defineFlow, defineTask, type } from '@flowfabric/sdk'

const scenarios = ['s1', 's1live', 's2', 's4', 's5', 's6', 's7', 's8']

export const systems = [
  {
    name: 'flowfabric',
    store: 'postgres',
    kind: 'workflow',
    scenarios,
    variant: {},
    note: 'engine, client and worker in one process, defaults; S6 retries at once',
  },
  {
    name: 'flowfabric-pglite',
    store: 'none',
    kind: 'workflow',
    scenarios,
    variant: { isEmbedded: true },
    note: 'the same on PGlite in a folder, its default durability',
  },
  {
    name: 'flowfabric-valkey',
    store: 'valkey',
    kind: 'workflow',
    scenarios,
    variant: { isValkey: true },
    note: 'the same on Valkey',
  },
]

function tooEarly(error) {
  if (error.code !== 'waitpoint_not_found') throw error
}

function storeOf(context, { isEmbedded, isValkey }) {
  if (isEmbedded) return join(context.tmp, 'store')
  return isValkey ? `valkey://${context.valkey.host}:${context.valkey.port}` : context.pg.connectionString
}

export async function open(context, variant) {
  const store = storeOf(context, variant)
  const embedded = await createEmbedded({ store })
  await embedded.start()
  const client = createClient({ connect: embedded.engine })

  /** What to say when the store has recorded the end of an attempt that runs now. The next one may begin before that. */
  const whenRecorded = new Map()
  const keyOf = (id, attempt) => `${id} ${attempt}`

  const work = defineTask({
    kind: 'work',
    input: type(),
    retry: { maxAttempts: 3, backoff: { kind: 'fixed', initialMs: 0, maxMs: 0 } },
    handler({ input, execution, attempt }) {
      whenRecorded.set(keyOf(execution.id, attempt.index), () => context.done(input.id))
      return context.handler(input)
    },
  })
  const node = defineTask({
    kind: 'node',
    input: type(),
    handler({ input, execution, attempt }) {
      context.step(input.flow, input.index)
      if (input.isLast)
        whenRecorded.set(keyOf(execution.id, attempt.index), () => context.flowDone(input.flow))
    },
  })
  const waiter = defineTask({
    kind: 'waiter',
    input: type(),
    async handler({ input, execution, attempt, suspend }) {
      context.waiting(input.id)
      await suspend('signal')
      context.resumed(input.id)
      whenRecorded.set(keyOf(execution.id, attempt.index), () => context.flowDone(input.id))
    },
  })
  const waiters = new Map()
  const chain = defineFlow('chain', (f, { id, nodes, payload }) => {
    let last
    for (let index = 0; index < nodes; index++) {
      const scope = last === undefined ? f : f.after(last)
      last = scope.node(node, { flow: id, index, payload, isLast: index === nodes - 1 })
    }
  })
  const fan = defineFlow('fan', (f, { id, nodes, payload }) => {
    const inputs = Array.from({ length: nodes }, (_, index) => ({ flow: id, index, payload }))
    f.after(f.map(inputs, node)).node(node, { flow: id, index: nodes, isLast: true }, { name: 'parent' })
  })

  let worker
  return {
    hasDone: true,
    submit: ({ delayMs, ...task }) => client.submit(work, task, { delayMs }),
    async submitMany(tasks) {
      const submitted = await client.submitMany(work, tasks)
      for (const each of submitted) if (each.outcome === 'error') throw each.error
    },
    result: (handle) => handle.result(),
    startChain: (flow) => client.submit(chain, flow),
    startFan: (flow) => client.submit(fan, flow),
    async startWaiter({ id }) {
      waiters.set(id, await client.submit(waiter, { id }))
    },
    async signal(id) {
      // Too early: its handler has not come to what it waits on.
      const answer = await waiters.get(id).signal('signal', 'go').catch(tooEarly)
      return answer?.outcome === 'satisfied'
    },
    async startWorker() {
      worker = createWorker({
        connect: embedded.engine,
        tasks: [work, node, waiter],
        concurrency: context.concurrency,
        observer: {
          recorded({ executionId, attemptIndex }, { outcome }) {
            const key = keyOf(executionId, attemptIndex)
            const tell = whenRecorded.get(key)
            whenRecorded.delete(key)
            if (outcome === 'completed') tell?.()
          },
        },
      })
      await worker.start()
    },
    stopWorker: () => worker.drain(),
    close: () => embedded.stop({ graceMs: 0 }),
  }
}
