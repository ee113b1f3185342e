import { setTimeout as pause } from 'node:timers/promises'
import { defineFlow } from '@flowfabric/sdk'
import { demands, tenants } from './admission.js'
import { type Figure, inParallel, percentile, perSecond, waitFor } from './measure.js'
import { closeScene, openScene, payload, type Scene, type StoreOptions, submitOne } from './scene.js'

type Run = (scene: Scene, size: number) => Promise<readonly Figure[]>

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

const WAITS_MS = 20

/** From the call that signals until the handler goes on behind its `suspend`. */
const signals: Run = async (scene, size) => {
  const worker = await scene.startWorker()
  const times: number[] = []
  for (let index = 0; index < size; index += 1) {
    const waiter = await scene.client.submit(scene.waiter)
    await waitFor(async () => (await waiter.status()).publicState === 'suspended')
    await pause(WAITS_MS)
    const signalledAt = performance.now()
    await waiter.signal('go', 'now')
    await waitFor(() => scene.started.has(waiter.id))
    times.push((scene.started.get(waiter.id) as number) - signalledAt)
  }
  await worker.drain()
  return [
    {
      scenario: 'signal to resumed handler, p50',
      value: Number(percentile(times, 0.5).toFixed(2)),
      unit: 'ms',
    },
    {
      scenario: 'signal to resumed handler, p99',
      value: Number(percentile(times, 0.99).toFixed(2)),
      unit: 'ms',
    },
  ]
}

/** A handler that calls a child and ends with it, while nothing else happens. */
const calls: Run = async (scene, size) => {
  const worker = await scene.startWorker()
  const times: number[] = []
  for (let index = 0; index < size; index += 1) {
    const submittedAt = performance.now()
    const parent = await scene.client.submit(scene.caller)
    await parent.result({ timeoutMs: 10_000 })
    times.push(performance.now() - submittedAt)
    await pause(IDLE_AGAIN_MS)
  }
  await worker.drain()
  return [
    {
      scenario: 'a handler that calls a child, to its result, p50',
      value: Number(percentile(times, 0.5).toFixed(2)),
      unit: 'ms',
    },
    {
      scenario: 'a handler that calls a child, to its result, p99',
      value: Number(percentile(times, 0.99).toFixed(2)),
      unit: 'ms',
    },
  ]
}

/** Each on a store of its own, so that none works on what another left behind. */
const runs: Readonly<Record<string, { readonly run: Run; readonly size: number }>> = {
  backlog: { run: backlog, size: 20_000 },
  live: { run: live, size: 10_000 },
  idle: { run: idleStart, size: 300 },
  chain: { run: chain, size: 200 },
  skips: { run: skips, size: 1 },
  signals: { run: signals, size: 300 },
  calls: { run: calls, size: 100 },
  demands: { run: demands, size: 5_000 },
  tenants: { run: tenants, size: 100_000 },
}

export const scenarioNames = Object.keys(runs)

export async function runScenario(
  name: string,
  options: StoreOptions,
  share = 1,
): Promise<readonly Figure[]> {
  const { run, size } = runs[name] as { run: Run; size: number }
  const scene = await openScene(options)
  try {
    return await run(scene, Math.max(1, Math.round(size * share)))
  } finally {
    await closeScene(scene)
  }
}
