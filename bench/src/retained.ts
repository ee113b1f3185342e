import { type Figure, percentile, perSecond, waitFor } from './measure.js'
import { closeScene, openScene, type Scene, type StoreOptions, submitAll } from './scene.js'

const RETAINED_PAIRS = 7
const TASKS = 10_000

/**
 * How much slower it gets with many ended executions in the store: the share of the empty store's backlog rate.
 * `storeOf` names an empty store for each number; `settle` does what a store does by itself within a minute.
 */
export async function runRetained(
  storeOf: (nth: number) => StoreOptions,
  retained: number,
  settle: () => Promise<void> = async () => {},
): Promise<readonly Figure[]> {
  const rate = async (scene: Scene): Promise<number> => {
    const before = scene.counter.recorded
    await submitAll(scene, TASKS)
    await settle()
    const startedAt = performance.now()
    const worker = await scene.startWorker()
    await waitFor(() => scene.counter.recorded >= before + TASKS)
    const ms = performance.now() - startedAt
    await worker.drain()
    return perSecond(TASKS, ms)
  }
  const full = await openScene(storeOf(0))
  try {
    for (let done = 0; done < retained; done += TASKS) await rate(full)
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
    const ratio = middle(pairs.map((pair) => pair.full / pair.empty))
    return [
      {
        scenario: 'backlog on an empty store',
        value: middle(pairs.map((pair) => pair.empty)),
        unit: 'tasks/s',
      },
      {
        scenario: `backlog with ${retained} retained`,
        value: middle(pairs.map((pair) => pair.full)),
        unit: 'tasks/s',
        note: `median of ${RETAINED_PAIRS} pairs: ${Math.round(100 * ratio)} % of the empty store's`,
      },
    ]
  } finally {
    await closeScene(full)
  }
}
