import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Figure, inParallel, percentile, perSecond, waitFor } from './measure.js'
import { closeScene, openScene, type Scene, setScene, submitAll, submitOne } from './scene.js'

const PAIRS = 3
const TASKS = 40_000
const LIVE_TASKS = 10_000
/** Done before the clock starts: a server's process is new for each pair, and its code not compiled yet. */
const WARM_UP_TASKS = 10_000

interface Rates {
  readonly submit: number
  readonly backlog: number
  readonly live: number
}

const names: Readonly<Record<keyof Rates, string>> = {
  submit: 'submit in batches of 250',
  backlog: 'process a backlog',
  live: 'live, one by one',
}

/**
 * The same client and worker beside an engine in their own process, and beside a server in another: pairs in turn, each
 * on an empty store. `settingsOf` tells the server where its store is.
 */
export async function runThroughServer(
  nextStore: () => string | Promise<string>,
  settingsOf: (store: string) => Readonly<Record<string, string>>,
): Promise<readonly Figure[]> {
  const pairs: { readonly direct: Rates; readonly through: Rates }[] = []
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const scene = await openScene({ store: await nextStore() })
    const direct = await measure(scene).finally(() => closeScene(scene))
    pairs.push({ direct, through: await measureThrough(settingsOf(await nextStore())) })
  }
  const middle = (values: readonly number[]) => percentile(values, 0.5)
  return (Object.keys(names) as (keyof Rates)[]).map((of) => ({
    scenario: `through a server: ${names[of]}`,
    value: middle(pairs.map(({ through }) => through[of])),
    unit: 'tasks/s',
    note: `${Math.round(100 * middle(pairs.map(({ direct, through }) => through[of] / direct[of])))} % of ${middle(pairs.map(({ direct }) => direct[of]))} in process, median of ${PAIRS} pairs`,
  }))
}

async function measure(scene: Scene): Promise<Rates> {
  const { counter } = scene
  const recorded = (count: number) => {
    const enough = counter.recorded + count
    return () => waitFor(() => counter.recorded >= enough)
  }
  const warmedUp = recorded(WARM_UP_TASKS)
  await submitAll(scene, WARM_UP_TASKS)
  const early = await scene.startWorker()
  await warmedUp()
  await early.drain()

  const submitStartedAt = performance.now()
  await submitAll(scene, TASKS)
  const submitMs = performance.now() - submitStartedAt
  const backlogDone = recorded(TASKS)
  const backlogStartedAt = performance.now()
  const worker = await scene.startWorker()
  await backlogDone()
  const backlogMs = performance.now() - backlogStartedAt
  const liveDone = recorded(LIVE_TASKS)
  const liveStartedAt = performance.now()
  await inParallel(LIVE_TASKS, 16, submitOne(scene))
  await liveDone()
  const liveMs = performance.now() - liveStartedAt
  await worker.drain()
  return {
    submit: perSecond(TASKS, submitMs),
    backlog: perSecond(TASKS, backlogMs),
    live: perSecond(LIVE_TASKS, liveMs),
  }
}

async function measureThrough(settings: Readonly<Record<string, string>>): Promise<Rates> {
  const token = 'a-token-of-the-benchmark'
  const command = fileURLToPath(new URL('../../apps/server/bin/flowfabric.js', import.meta.url))
  const server = spawn(process.execPath, [command, 'serve', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      ...settings,
      FF_TOKEN: token,
      FF_SIGNING_KEYS: `bench:${'s'.repeat(32)}`,
      FF_LOG_LEVEL: 'error',
    },
  })
  const ended = once(server, 'exit')
  try {
    const [line] = (await Promise.race([
      once(createInterface(server.stdout), 'line'),
      ended.then(([code]) => Promise.reject(new Error(`the server ended with ${code}`))),
    ])) as [string]
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]
    if (url === undefined) throw new Error(`the server names no address: ${line}`)
    const scene = setScene({ url, token })
    return await measure(scene).finally(() => scene.client.close())
  } finally {
    server.kill('SIGTERM')
    await ended
  }
}
