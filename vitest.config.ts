import { defineConfig } from 'vitest/config'
import { plantBug } from './test/planted/bugs.js'
import { chooseStore } from './test/support/chosen-store.js'

/**
 * Workspace packages resolve to their source, so that a test never waits for a build.
 * Only tests that start real processes (faults, server, examples) need what `build` makes.
 */
const conditions = ['flowfabric-source', 'node']

interface Project {
  include: string[]
  exclude?: string[]
  /** Which store the fixture opens, see `test/support/backends.ts`: what the project is about. */
  backend?: string
  /** The same for a project that is about no store: unless `FF_BACKEND` names another, see `test/support/chosen-store.ts`. */
  usualBackend?: string
  timeoutMs?: number
  /** After all others, so that what it starts has the machine for itself. */
  last?: boolean
  /** Before all others in a soak, whose end would else wait for its few long files. */
  longest?: boolean
}

/** A soak repeats everything twenty times as often, see `test/support/soak.ts`. */
const isSoak = process.env.FF_SOAK === '1'
const patience = isSoak ? 20 : 1

const projects: Record<string, Project> = {
  unit: {
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'test/{engine,model,oracle,scanners,sdk,simulation,unit}/**/*.test.ts',
    ],
  },
  // The model has no tables to break: what needs those is in files named `*.store.test.ts`.
  'conformance:model': { include: ['test/conformance/**/!(*.store).test.ts'], backend: 'model' },
  'conformance:pglite': { include: ['test/conformance/**/*.test.ts'], backend: 'pglite' },
  'conformance:postgres18': { include: ['test/conformance/**/*.test.ts'], backend: 'postgres18' },
  // The oldest that is supported: of each role so much that all functions of the schema are called that all of it would call. All of it,
  // with `cases` and `hazards`, in a soak.
  'conformance:postgres15': isSoak
    ? { include: ['test/conformance/**/*.test.ts'], backend: 'postgres15' }
    : {
        include: ['test/conformance/!(cases|hazards)/**/*.test.ts'],
        exclude: [
          'test/conformance/attempts/record-step.test.ts',
          'test/conformance/budgets/reservations.test.ts',
          'test/conformance/events/read.test.ts',
          'test/conformance/executions/{submit,submit-next-twins}.test.ts',
          'test/conformance/flows/{cancel,extend,replay,settlement}.test.ts',
          'test/conformance/leases/fencing.test.ts',
          'test/conformance/maintenance/{drain-timers,prepare}.test.ts',
          'test/conformance/operations/runners.store.test.ts',
          'test/conformance/quotas/{concurrency,rate}.test.ts',
          'test/conformance/resolution/run-on.test.ts',
          'test/conformance/schedules/trigger.test.ts',
          'test/conformance/suspensions/{early-signals,suspend,timeouts,waitpoints}.test.ts',
        ],
        backend: 'postgres15',
      },
  // Behind a transaction pooler, where sessions are shared: what leaves a session to another is seen at once. All in a soak.
  'conformance:pgbouncer': {
    include: isSoak
      ? ['test/conformance/**/*.test.ts']
      : [
          'test/conformance/leases/{claim,complete,fail,revoke}.test.ts',
          'test/conformance/flows/submit.test.ts',
          'test/conformance/workers/*.test.ts',
        ],
    backend: 'pgbouncer',
  },
  'conformance:valkey': { include: ['test/conformance/**/*.test.ts'], backend: 'valkey' },
  'conformance:valkeyCluster': { include: ['test/conformance/**/*.test.ts'], backend: 'valkeyCluster' },
  // What only that store has: plans, migrations, its own API.
  postgres: { include: ['test/postgres/**/*.test.ts'], backend: 'postgres18', timeoutMs: 60_000 },
  valkey: { include: ['test/valkey/**/*.test.ts'], timeoutMs: 60_000 },
  concurrency: { include: ['test/concurrency/**/*.test.ts'], backend: 'postgres18', timeoutMs: 60_000 },
  // Without what sessions of a database can do to each other, in files named `*.postgres.test.ts`.
  'concurrency:valkey': {
    include: ['test/concurrency/**/!(*.postgres).test.ts'],
    backend: 'valkey',
    timeoutMs: 60_000,
  },
  differential: { include: ['test/differential/**/*.test.ts'], timeoutMs: 300_000, longest: true },
  // Over the model too, among the unit tests.
  'sdk:store': {
    include: [
      'test/sdk/{submit-and-run,handler-context,frames,limits,worker-life,schedules,suspensions,calls,budgets}.test.ts',
    ],
    usualBackend: 'pglite',
    timeoutMs: 60_000,
  },
  // Of what goes other ways on each store.
  'sdk:valkey': { include: ['test/sdk/budgets.test.ts'], backend: 'valkey', timeoutMs: 60_000 },
  server: { include: ['test/server/**/*.test.ts'], usualBackend: 'pglite', timeoutMs: 60_000 },
  faults: {
    include: ['test/faults/**/*.test.ts'],
    usualBackend: 'postgres18',
    timeoutMs: 180_000,
    last: true,
  },
  // Of what goes other ways on each store.
  'faults:valkey': {
    include: ['test/faults/precise-*.test.ts'],
    backend: 'valkey',
    timeoutMs: 180_000,
    last: true,
  },
  examples: {
    include: ['test/examples/**/*.test.ts'],
    usualBackend: 'pglite',
    timeoutMs: 180_000,
    last: true,
  },
}

const chosen = chooseStore(process.env)

/** What tells the tests of a project their store. */
function storeEnv({ backend, usualBackend }: Project): Record<string, string> {
  if (backend !== undefined) return { FF_TEST_BACKEND: backend }
  if (usualBackend === undefined) return {}
  if (chosen === undefined) return { FF_TEST_BACKEND: usualBackend }
  return { FF_TEST_BACKEND: chosen.backend, ...(chosen.url === undefined ? {} : { FF_TEST_URL: chosen.url }) }
}

/** `scripts/planted-bugs.mjs` asks for a bug, to see that the suite finds it. */
const planted = process.env.FF_PLANT === undefined ? [] : [plantBug(process.env.FF_PLANT)]

export default defineConfig({
  test: {
    globalSetup: ['test/support/servers/global-setup.ts'],
    // One more than the cores of the smallest machine that the suite is made for: tests wait for servers.
    maxWorkers: 3,
    passWithNoTests: true,
    // Each project would transform all sources again. With a bug planted they are others.
    experimental: { fsModuleCache: planted.length === 0 },
    projects: Object.entries(projects).map(([name, project]) => {
      const { include, exclude = [], timeoutMs = 30_000, last = false, longest = false } = project
      return {
        plugins: planted,
        resolve: { conditions },
        ssr: { resolve: { conditions } },
        test: {
          name,
          include,
          exclude,
          pool: 'forks' as const,
          // The files of a worker share their modules, and so one PGlite: to load and to start these costs more than most files.
          isolate: false,
          sequence: { groupOrder: last ? 2 : isSoak && longest ? 0 : 1 },
          testTimeout: timeoutMs * patience,
          hookTimeout: Math.max(timeoutMs, 60_000),
          env: storeEnv(project),
        },
      }
    }),
  },
})
