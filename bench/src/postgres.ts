import { setTimeout as pause } from 'node:timers/promises'
import { createEmbedded, type Embedded } from '@flowfabric/embedded'
import { createWorker, defineTask, type Worker } from '@flowfabric/sdk'
import pg from 'pg'
import { type Figure, inParallel, percentile, perSecond, waitFor } from './measure.js'
import { closeScene, openScene, type StoreOptions, submitAll, submitOne } from './scene.js'
import { runThroughServer } from './through-server.js'

/** An empty database of the server for each run. */
type NextStore = () => Promise<string>
type Run = (nextStore: NextStore) => Promise<readonly Figure[]>

const runs: Readonly<Record<string, Run>> = {
  snapshot,
  cost,
  http: (nextStore) =>
    runThroughServer(nextStore, (store) => ({ FF_BACKEND: 'postgres', FF_POSTGRES_URL: store })),
}

/** What is measured on a Postgres server beside the scenarios of all stores. */
export const postgresScenarioNames = Object.keys(runs)

export function runPostgresScenario(name: string, nextStore: NextStore): Promise<readonly Figure[]> {
  return (runs[name] as Run)(nextStore)
}

const LIVE_MS = 20_000
const TASKS = 45_000

interface Rates {
  readonly live: number
  readonly backlog: number
}

/**
 * Somebody's transaction that sees the database as it was at the beginning, so that nothing which changes behind it can be
 * cleaned away. Pairs in turn, each with databases of its own.
 */
async function snapshot(nextStore: NextStore): Promise<readonly Figure[]> {
  const pairs: { readonly free: Rates; readonly held: Rates }[] = []
  for (let pair = 0; pair < 3; pair += 1) {
    const free = await ratesOf({ store: await nextStore() }, false)
    pairs.push({ free, held: await ratesOf({ store: await nextStore() }, true) })
  }
  const shareOf = (of: keyof Rates) =>
    Math.round(
      100 *
        percentile(
          pairs.map(({ free, held }) => held[of] / free[of]),
          0.5,
        ),
    )
  const middle = (of: keyof Rates, side: 'free' | 'held') =>
    percentile(
      pairs.map((pair) => pair[side][of]),
      0.5,
    )
  return (['live', 'backlog'] as const).map((of) => ({
    scenario: `${of}, a snapshot held for the whole run`,
    value: middle(of, 'held'),
    unit: 'tasks/s',
    note: `${shareOf(of)} % of ${middle(of, 'free')} without, median of ${pairs.length} pairs`,
  }))
}

async function ratesOf(options: StoreOptions & { readonly store: string }, holds: boolean): Promise<Rates> {
  const scene = await openScene(options)
  const holder = new pg.Client({ connectionString: options.store })
  await holder.connect()
  try {
    if (holds) {
      await holder.query('begin isolation level repeatable read')
      // The snapshot is taken by the first statement.
      await holder.query('select count(*) from pg_class')
    }
    const worker = await scene.startWorker()
    const startedAt = performance.now()
    let submitted = 0
    await inParallel(16, 16, async () => {
      while (performance.now() - startedAt < LIVE_MS) await submitOne(scene)(submitted++)
    })
    await waitFor(() => scene.counter.recorded >= submitted)
    const live = perSecond(submitted, performance.now() - startedAt)
    await worker.drain()
    const until = scene.counter.recorded + TASKS
    await submitAll(scene, TASKS)
    const backlogAt = performance.now()
    const next = await scene.startWorker()
    await waitFor(() => scene.counter.recorded >= until)
    const backlog = perSecond(TASKS, performance.now() - backlogAt)
    await next.drain()
    return { live, backlog }
  } finally {
    await closeScene(scene)
    await holder.end()
  }
}

const IDLE_MS = 20_000

/** Statements that this process sends while nothing happens, with 16 idle workers in all. */
async function cost(nextStore: NextStore): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const engines of [1, 4]) {
    const store = await nextStore()
    const opened: Embedded[] = []
    const workers: Worker[] = []
    const task = defineTask({ kind: 'work', handler: () => {} })
    for (let nth = 0; nth < engines; nth += 1) {
      const embedded = await createEmbedded({ store })
      await embedded.start()
      opened.push(embedded)
      for (let each = 0; each < 16 / engines; each += 1) {
        const worker = createWorker({ connect: embedded.engine, tasks: [task] })
        await worker.start()
        workers.push(worker)
      }
    }
    // Ownership is shared out, and what was looked at once is known.
    await pause(IDLE_MS)
    figures.push({
      scenario: `idle: statements with ${engines} engine${engines === 1 ? '' : 's'} and 16 workers`,
      value: Number((await countStatements()).toFixed(1)),
      unit: 'statements/s',
    })
    await Promise.all(workers.map((worker) => worker.drain()))
    for (const embedded of opened) await embedded.stop({ graceMs: 0 })
  }
  return figures
}

/** Every statement goes through a client of the driver, whoever made its pool. */
async function countStatements(): Promise<number> {
  const { prototype } = pg.Client
  const query = prototype.query as (...params: unknown[]) => unknown
  let statements = 0
  prototype.query = function countedQuery(this: pg.Client, ...params: unknown[]) {
    statements += 1
    return query.apply(this, params)
  } as typeof prototype.query
  await pause(IDLE_MS)
  prototype.query = query as typeof prototype.query
  return (statements * 1_000) / IDLE_MS
}
