import { defineFlow } from '@flowfabric/sdk'
import { type Figure, inParallel, percentile, perSecond, waitFor } from './measure.js'
import { closeScene, openScene, payload, type Scene, type StoreOptions, submitAll } from './scene.js'

const RETAINED_PAIRS = 9
/** Executions that wait for their time, and flows of which the first member does. */
const WAITING = 100_000
const FLOWS = 10_000
const DAY_MS = 86_400_000
const TASKS = 10_000

/**
 * How much slower it gets with many ended executions in the store, others that wait and open flows: the share of the empty
 * store's backlog rate.
 * `storeOf` names an empty store for each number; `settle` does what a store does by itself within a minute.
 */
export async function runRetained(
  storeOf: (nth: number) => StoreOptions,
  retained: number,
  settle: () => Promise<void> = async () => {},
): Promise<readonly Figure[]> {
  const rate = async (scene: Scene, isFilling = false): Promise<number> => {
    const before = scene.counter.recorded
    await submitAll(scene, TASKS)
    if (!isFilling) await settle()
    const startedAt = performance.now()
    const worker = await scene.startWorker()
    await waitFor(() => scene.counter.recorded >= before + TASKS)
    const ms = performance.now() - startedAt
    await worker.drain()
    return perSecond(TASKS, ms)
  }
  const full = await openScene(storeOf(0))
  try {
    for (let done = 0; done < retained; done += TASKS) {
      await rate(full, true)
      if (done % (10 * TASKS) === 0) await settle()
    }
    await submitAll(full, WAITING, { delayMs: DAY_MS })
    await submitFlows(full)
    // Pairs in turn, each with an empty store of its own: the machine's moods reach both sides alike.
    const pairs: { readonly empty: number; readonly full: number }[] = []
    for (let pair = 1; pair <= RETAINED_PAIRS; pair++) {
      const scene = await openScene(storeOf(pair))
      try {
        pairs.push({ empty: await rate(scene), full: await rate(full) })
      } finally {
        await closeScene(scene)
      }
    }
    const middle = (values: readonly number[]) => percentile(values, 0.5)
    const shares = pairs.map((pair) => Math.round((100 * pair.full) / pair.empty))
    return [
      {
        scenario: 'backlog on an empty store',
        value: middle(pairs.map((pair) => pair.empty)),
        unit: 'tasks/s',
      },
      {
        scenario: `backlog with ${retained} retained, ${WAITING} waiting, ${FLOWS} flows`,
        value: middle(pairs.map((pair) => pair.full)),
        unit: 'tasks/s',
        note: `${middle(shares)} % of the empty store's, of pairs ${shares.join(', ')}`,
      },
    ]
  } finally {
    await closeScene(full)
  }
}

async function submitFlows({ client, work }: Scene): Promise<void> {
  const later = defineFlow('later', (f) => {
    const input = { index: 0, payload }
    f.after(f.node(work, input, { delayMs: DAY_MS })).node(work, input)
  })
  await inParallel(FLOWS, 16, () => client.submit(later, undefined))
}
