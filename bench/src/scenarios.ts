import { setTimeout as pause } from 'node:timers/promises'
import { createEmbedded } from '@flowfabric/embedded'
import { createClient, createWorker, defineFlow, defineTask, type, type Worker } from '@flowfabric/sdk'
import pg from 'pg'
import { type Figure, inParallel, percentile, perSecond, waitFor } from './measure.js'

const payload = 'x'.repeat(100)
const RETAINED_PAIRS = 7

interface Counter {
  handled: number
  recorded: number
}

/** An engine over the store, a client, and on demand a worker of 16: what a user would write. */
async function openScene(store: string, schema: string) {
  const counter: Counter = { handled: 0, recorded: 0 }
  const started = new Map<string, number>()
  const embedded = await createEmbedded({ store, schema })
  await embedded.start()
  const client = createClient({ connect: embedded.engine })
  const work = defineTask({
    kind: 'work',
    input: type<{ index: number; payload: string }>(),
    retry: { maxAttempts: 1 },
    handler: ({ execution }) => {
      counter.handled += 1
      started.set(execution.id, performance.now())
    },
  })
  const broken = defineTask({
    kind: 'broken',
    retry: { maxAttempts: 1 },
    handler: (): void => {
      throw new Error('fails, so that what follows is skipped')
    },
  })
  const startWorker = async (): Promise<Worker> => {
    const worker = createWorker({
      connect: embedded.engine,
      tasks: [work, broken],
      concurrency: 16,
      observer: {
        recorded: () => {
          counter.recorded += 1
        },
      },
    })
    await worker.start()
    return worker
  }
  return { embedded, client, work, broken, counter, started, startWorker }
}

type Scene = Awaited<ReturnType<typeof openScene>>
type Run = (scene: Scene, size: number) => Promise<readonly Figure[]>

const submitOne =
  ({ client, work }: Scene) =>
  (index: number) =>
    client.submit(work, { index, payload })

const backlog: Run = async (scene, size) => {
  const enqueueMs = await inParallel(size, 16, submitOne(scene))
  const startedAt = performance.now()
  const worker = await scene.startWorker()
  await waitFor(() => scene.counter.recorded >= size)
  const processMs = performance.now() - startedAt
  await worker.drain()
  return [
    { scenario: 'enqueue one by one, 16-way', value: perSecond(size, enqueueMs), unit: 'tasks/s' },
    { scenario: 'process a backlog', value: perSecond(size, processMs), unit: 'tasks/s' },
  ]
}

const live: Run = async (scene, size) => {
  const worker = await scene.startWorker()
  const startedAt = performance.now()
  await inParallel(size, 16, submitOne(scene))
  await waitFor(() => scene.counter.recorded >= size)
  const ms = performance.now() - startedAt
  await worker.drain()
  return [{ scenario: 'live, submit to recorded', value: perSecond(size, ms), unit: 'tasks/s' }]
}

const IDLE_AGAIN_MS = 10

const idleStart: Run = async (scene, size) => {
  const worker = await scene.startWorker()
  const times: number[] = []
  for (let index = 0; index < size; index += 1) {
    const submittedAt = performance.now()
    const { id } = await scene.client.submit(scene.work, { index, payload })
    await waitFor(() => scene.started.has(id))
    times.push((scene.started.get(id) as number) - submittedAt)
    // Idle again: the end is recorded, and the worker's next claim waits.
    await pause(IDLE_AGAIN_MS)
  }
  await worker.drain()
  return [
    {
      scenario: 'idle: submit to handler start, p50',
      value: Number(percentile(times, 0.5).toFixed(2)),
      unit: 'ms',
    },
    {
      scenario: 'idle: submit to handler start, p99',
      value: Number(percentile(times, 0.99).toFixed(2)),
      unit: 'ms',
    },
  ]
}

const chain: Run = async (scene, size) => {
  const chainOfTen = defineFlow('chain', (f) => {
    let last = f.node(scene.work, { index: 0, payload })
    for (let index = 1; index < 10; index += 1) last = f.after(last).node(scene.work, { index, payload })
  })
  const worker = await scene.startWorker()
  const startedAt = performance.now()
  const flows = await Promise.all(Array.from({ length: size }, () => scene.client.submit(chainOfTen)))
  await Promise.all(flows.map((flow) => flow.result({ timeoutMs: 120_000 })))
  const ms = performance.now() - startedAt
  await worker.drain()
  return [{ scenario: 'chain of 10, all at once', value: perSecond(size, ms), unit: 'flows/s' }]
}

const skips: Run = async (scene) => {
  const doomed = defineFlow('doomed', (f) => {
    let last = f.node(scene.broken)
    for (let index = 0; index < 200; index += 1) last = f.after(last).node(scene.work, { index, payload })
  })
  const worker = await scene.startWorker()
  const flow = await scene.client.submit(doomed)
  const startedAt = performance.now()
  await flow.result({ timeoutMs: 60_000 }).catch(() => {})
  const ms = performance.now() - startedAt
  await worker.drain()
  return [{ scenario: 'chain of 200 skips after a failure', value: Math.round(ms), unit: 'ms' }]
}

/** Each on a schema of its own, so that none works on what another left behind. */
const runs: Readonly<Record<string, { readonly run: Run; readonly size: number }>> = {
  backlog: { run: backlog, size: 20_000 },
  live: { run: live, size: 10_000 },
  idle: { run: idleStart, size: 300 },
  chain: { run: chain, size: 200 },
  skips: { run: skips, size: 1 },
}

export const scenarioNames = Object.keys(runs)

export async function runScenario(name: string, store: string, share = 1): Promise<readonly Figure[]> {
  const { run, size } = runs[name] as { run: Run; size: number }
  const scene = await openScene(store, `bench_${name}`)
  try {
    return await run(scene, Math.max(1, Math.round(size * share)))
  } finally {
    scene.client.close()
    await scene.embedded.stop({ graceMs: 0 })
  }
}

/** How much slower it gets with many ended executions in the store: the share of the empty store's backlog rate. */
export async function runRetained(store: string, retained: number): Promise<readonly Figure[]> {
  const rate = async (scene: Scene): Promise<number> => {
    const before = scene.counter.recorded
    await inParallel(40, 4, (batch) =>
      scene.client.submitMany(
        scene.work,
        Array.from({ length: 250 }, (_, index) => ({ index: batch * 250 + index, payload })),
      ),
    )
    // What autovacuum does within a minute: old work is older than that, only here it ended seconds ago.
    await vacuum(store)
    const startedAt = performance.now()
    const worker = await scene.startWorker()
    await waitFor(() => scene.counter.recorded >= before + 10_000)
    const ms = performance.now() - startedAt
    await worker.drain()
    return perSecond(10_000, ms)
  }
  const full = await openScene(store, 'bench_retained')
  try {
    for (let done = 0; done < retained; done += 10_000) await rate(full)
    // Pairs in turn, each with an empty store of its own: the machine's moods reach both sides alike.
    const pairs: { readonly empty: number; readonly full: number }[] = []
    for (let pair = 1; pair <= RETAINED_PAIRS; pair++) {
      const scene = await openScene(store, `bench_empty_${pair}`)
      try {
        pairs.push({ empty: await rate(scene), full: await rate(full) })
      } finally {
        await closeScene(scene)
      }
    }
    const ratio = percentile(
      pairs.map((pair) => pair.full / pair.empty),
      0.5,
    )
    return [
      {
        scenario: 'backlog on an empty store',
        value: percentile(
          pairs.map((p) => p.empty),
          0.5,
        ),
        unit: 'tasks/s',
      },
      {
        scenario: `backlog with ${retained} retained`,
        value: percentile(
          pairs.map((p) => p.full),
          0.5,
        ),
        unit: 'tasks/s',
        note: `median of ${RETAINED_PAIRS} pairs: ${Math.round(100 * ratio)} % of the empty store's`,
      },
    ]
  } finally {
    await closeScene(full)
  }
}

async function vacuum(store: string): Promise<void> {
  const client = new pg.Client({ connectionString: store })
  await client.connect()
  await client.query('vacuum analyze').finally(() => client.end())
}

async function closeScene(scene: Scene): Promise<void> {
  scene.client.close()
  await scene.embedded.stop({ graceMs: 0 })
}
