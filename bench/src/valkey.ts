import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { createEmbedded, type Embedded } from '@flowfabric/embedded'
import { anyOf, createClient, createWorker, defineFlow, defineTask, type } from '@flowfabric/sdk'
import { startValkeyCluster, type ValkeyServer } from '@flowfabric/test/servers'
import { Redis } from 'iovalkey'
import { type Figure, inParallel, percentile, perSecond, waitFor } from './measure.js'
import { runRetained } from './retained.js'
import { closeScene, openScene, type StoreOptions, submitOne } from './scene.js'
import { runThroughServer } from './through-server.js'

const RETAINED = 1_000_000

/** A new database of the server for each scenario. */
type NextStore = () => string
type Run = (nextStore: NextStore, server: ValkeyServer) => Promise<readonly Figure[]>

const runs: Readonly<Record<string, Run>> = {
  large: largePayloads,
  unservable,
  siblings,
  cost: idleCost,
  memory,
  durability,
  cluster,
  http: (nextStore) =>
    runThroughServer(nextStore, (store) => ({ FF_BACKEND: 'valkey', FF_VALKEY_URL: store })),
  retained: (nextStore) => {
    const stores = new Map<number, string>()
    const storeOf = (nth: number) => {
      const store = stores.get(nth) ?? nextStore()
      stores.set(nth, store)
      return { store }
    }
    return runRetained(storeOf, RETAINED)
  },
}

/** What is measured on Valkey beside the scenarios of all stores. */
export const valkeyScenarioNames = Object.keys(runs)

export function runValkeyScenario(
  name: string,
  nextStore: NextStore,
  server: ValkeyServer,
): Promise<readonly Figure[]> {
  return (runs[name] as Run)(nextStore, server)
}

interface Rates {
  readonly enqueue: number
  readonly backlog: number
  readonly live: number
  /** Of this process, each task of the live part. */
  readonly microseconds: number
}

async function measureRates(options: StoreOptions, count: number, text?: string): Promise<Rates> {
  const scene = await openScene(options)
  try {
    const enqueueMs = await inParallel(count, 16, submitOne(scene, text))
    const startedAt = performance.now()
    const worker = await scene.startWorker()
    await waitFor(() => scene.counter.recorded >= count)
    const backlogMs = performance.now() - startedAt
    const cpu = process.cpuUsage()
    const liveAt = performance.now()
    await inParallel(count, 16, submitOne(scene, text))
    await waitFor(() => scene.counter.recorded >= 2 * count)
    const liveMs = performance.now() - liveAt
    const { user, system } = process.cpuUsage(cpu)
    await worker.drain()
    return {
      enqueue: perSecond(count, enqueueMs),
      backlog: perSecond(count, backlogMs),
      live: perSecond(count, liveMs),
      microseconds: Math.round((user + system) / count),
    }
  } finally {
    await closeScene(scene)
  }
}

function toFigures(what: string, { enqueue, backlog, live }: Rates): readonly Figure[] {
  return [
    { scenario: `${what}: enqueue one by one, 16-way`, value: enqueue, unit: 'tasks/s' },
    { scenario: `${what}: process a backlog`, value: backlog, unit: 'tasks/s' },
    { scenario: `${what}: live, submit to recorded`, value: live, unit: 'tasks/s' },
  ]
}

async function largePayloads(nextStore: NextStore): Promise<readonly Figure[]> {
  const small = await measureRates({ store: nextStore() }, 10_000)
  const large = await measureRates({ store: nextStore() }, 10_000, 'x'.repeat(4_096))
  return [...toFigures('100 B', small), ...toFigures('4 KiB', large)]
}

/** 100,000 executions that no worker serves, and then 1,000 that one does. */
async function unservable(nextStore: NextStore): Promise<readonly Figure[]> {
  const scene = await openScene({ store: nextStore() })
  const nobodys = defineTask({ kind: 'nobodys', input: type<number>() })
  try {
    await inParallel(400, 4, (nth) =>
      scene.client.submitMany(
        nobodys,
        Array.from({ length: 250 }, (_, index) => 250 * nth + index),
      ),
    )
    const worker = await scene.startWorker()
    const submittedAt = new Map<string, number>()
    await inParallel(1_000, 16, async (index) => {
      const at = performance.now()
      submittedAt.set((await submitOne(scene)(index)).id, at)
    })
    await waitFor(() => scene.counter.recorded >= 1_000)
    await worker.drain()
    const waits = [...submittedAt].map(([id, at]) => (scene.started.get(id) ?? Number.NaN) - at)
    return [
      {
        scenario: 'start behind 100,000 that nobody serves, p99',
        value: round(percentile(waits, 0.99)),
        unit: 'ms',
      },
    ]
  } finally {
    await closeScene(scene)
  }
}

/** A race of 100: from the winner's return until a loser's signal fires. */
async function siblings(nextStore: NextStore): Promise<readonly Figure[]> {
  const rounds = 20
  const racers = 100
  const embedded = await createEmbedded({ store: nextStore() })
  await embedded.start()
  const client = createClient({ connect: embedded.engine })
  let running = 0
  let wonAt = 0
  let win = () => {}
  const waits: number[] = []
  const racer = defineTask({
    kind: 'racer',
    input: type<number>(),
    handler: ({ input, signal }) =>
      new Promise<void>((resolve) => {
        running += 1
        if (input === 0) {
          win = () => {
            wonAt = performance.now()
            resolve()
          }
        } else {
          signal.addEventListener('abort', () => {
            waits.push(performance.now() - wonAt)
            resolve()
          })
        }
      }),
  })
  const prize = defineTask({ kind: 'prize', handler: () => {} })
  const race = defineFlow('race', (f) => {
    const all = f.map(
      Array.from({ length: racers }, (_, index) => index),
      racer,
    )
    f.after(anyOf(all)).node(prize)
  })
  const worker = createWorker({ connect: embedded.engine, tasks: [racer, prize], concurrency: racers })
  await worker.start()
  for (let round = 1; round <= rounds; round += 1) {
    running = 0
    const flow = await client.submit(race)
    await waitFor(() => running === racers)
    win()
    await flow.result({ timeoutMs: 10_000 })
    await waitFor(() => waits.length === round * (racers - 1))
  }
  await worker.drain()
  client.close()
  await embedded.stop({ graceMs: 0 })
  return [
    { scenario: 'sibling cancel, 1 of 100, p50', value: round(percentile(waits, 0.5)), unit: 'ms' },
    { scenario: 'sibling cancel, 1 of 100, p99', value: round(percentile(waits, 0.99)), unit: 'ms' },
  ]
}

const IDLE_MS = 20_000

/** Calls that clients send while nothing happens, with 16 idle workers in all. */
async function idleCost(nextStore: NextStore, server: ValkeyServer): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const engines of [1, 4]) {
    const store = nextStore()
    const opened: Embedded[] = []
    const workers = []
    for (let nth = 0; nth < engines; nth += 1) {
      const embedded = await createEmbedded({ store })
      await embedded.start()
      opened.push(embedded)
      const task = defineTask({ kind: 'work', handler: () => {} })
      for (let each = 0; each < 16 / engines; each += 1) {
        const worker = createWorker({ connect: embedded.engine, tasks: [task] })
        await worker.start()
        workers.push(worker)
      }
    }
    // Ownership is shared out, and what was looked at once is known.
    await pause(IDLE_MS)
    const calls = await countCalls(server)
    figures.push({
      scenario: `idle: calls with ${engines} engine${engines === 1 ? '' : 's'} and 16 workers`,
      value: round(calls),
      unit: 'calls/s',
    })
    await Promise.all(workers.map((worker) => worker.drain()))
    for (const embedded of opened) await embedded.stop({ graceMs: 0 })
  }
  return figures
}

/** What functions do inside is no call of a client's. */
async function countCalls({ port }: ValkeyServer): Promise<number> {
  const socket = connect({ host: '127.0.0.1', port })
  let calls = 0
  createInterface({ input: socket }).on('line', (line) => {
    // `+OK` first, then `+<time> [<database> <address>] "<command>" …`, with `lua` for the address of a function.
    if (line.includes('] "') && !line.includes(' lua] "')) calls += 1
  })
  socket.write('MONITOR\r\n')
  await pause(IDLE_MS)
  socket.destroy()
  return (calls * 1_000) / IDLE_MS
}

/** What is left when everything has ended and its time is over. */
async function memory(nextStore: NextStore, { port }: ValkeyServer): Promise<readonly Figure[]> {
  const client = new Redis({ host: '127.0.0.1', port })
  const used = async () => Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1])
  const scene = await openScene({ store: nextStore() })
  const short = defineTask({ kind: 'short', retentionMs: 1_000, input: type<string>(), handler: () => {} })
  let recorded = 0
  const worker = createWorker({
    connect: scene.embedded.engine,
    tasks: [short],
    concurrency: 16,
    observer: {
      recorded: () => {
        recorded += 1
      },
    },
  })
  try {
    await worker.start()
    const run = async (count: number) => {
      const until = recorded + count
      await inParallel(count / 250, 4, () =>
        scene.client.submitMany(
          short,
          Array.from({ length: 250 }, () => 'x'.repeat(100)),
        ),
      )
      await waitFor(() => recorded >= until)
    }
    const gone = async () => {
      while ((await scene.client.count()) > 0) await pause(200)
      await pause(1_000)
    }
    // What every deployment keeps is there by then: routes, counters, the first feed.
    await run(1_000)
    await gone()
    const before = await used()
    await run(50_000)
    const full = await used()
    await gone()
    const after = await used()
    const megabytes = (bytes: number) => round(bytes / 1_048_576)
    return [
      { scenario: 'memory before 50,000 executions', value: megabytes(before), unit: 'MiB' },
      { scenario: 'memory with them', value: megabytes(full), unit: 'MiB' },
      { scenario: 'memory when their retention is over', value: megabytes(after), unit: 'MiB' },
    ]
  } finally {
    await worker.drain()
    await closeScene(scene)
    client.disconnect()
  }
}

/** What it costs to wait until nothing acknowledged can be lost with the server. */
async function durability(nextStore: NextStore): Promise<readonly Figure[]> {
  const count = 5_000
  const plain = await measureRates({ store: nextStore() }, count)
  const onDisk = await measureRates(
    {
      store: nextStore(),
      valkey: {
        durability: { for: ['submit', 'terminal'], aof: { local: 1, replicas: 0 }, timeoutMs: 5_000 },
      },
    },
    count,
  )
  return [
    ...toFigures('acknowledged in memory', plain),
    ...toFigures('acknowledged on disk (WAITAOF)', onDisk),
  ]
}

/** The same on a Cluster of three primaries and three replicas, and which slot works most. */
async function cluster(nextStore: NextStore): Promise<readonly Figure[]> {
  const count = 10_000
  const nodes = await startValkeyCluster({
    primaries: 3,
    replicas: 3,
    settings: { 'cluster-slot-stats-enabled': 'yes' },
  })
  try {
    const alone = await measureRates({ store: nextStore() }, count)
    const store = `valkey://127.0.0.1:${nodes.nodes[0]?.port}`
    const shared = await measureRates({ store, valkey: { cluster: true } }, count)
    return [
      ...toFigures('standalone', alone),
      { scenario: 'standalone: this process, per live task', value: alone.microseconds, unit: 'µs' },
      ...toFigures('Cluster', shared),
      { scenario: 'Cluster: this process, per live task', value: shared.microseconds, unit: 'µs' },
      ...(await hottestSlot(nodes.nodes.slice(0, 3).map(({ port }) => port))),
    ]
  } finally {
    await nodes.stop()
  }
}

async function hottestSlot(ports: readonly number[]): Promise<readonly Figure[]> {
  const slots = new Map<number, number>()
  for (const port of ports) {
    const client = new Redis({ host: '127.0.0.1', port })
    const list = (await client.call(
      'CLUSTER',
      'SLOT-STATS',
      'ORDERBY',
      'cpu-usec',
      'LIMIT',
      '16384',
      'DESC',
    )) as [number, unknown[]][]
    for (const [slot, fields] of list) {
      const at = fields.indexOf('cpu-usec')
      slots.set(slot, Number(fields[at + 1]))
    }
    client.disconnect()
  }
  const all = [...slots.values()].reduce((sum, each) => sum + each, 0)
  const [slot, most] = [...slots].sort((a, b) => b[1] - a[1])[0] ?? [0, 0]
  return [
    {
      scenario: 'Cluster: share of the busiest slot',
      value: Math.round((100 * most) / all),
      unit: '%',
      note: `slot ${slot}: one lane's executions are in one partition unless it has more shards`,
    },
  ]
}

function round(value: number): number {
  return Number(value.toFixed(value < 10 ? 1 : 0))
}
