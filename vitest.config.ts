import { defineConfig } from 'vitest/config'

/**
 * Workspace packages resolve to their source, so that a test never waits for a build.
 * Only tests that start real processes (faults, server, examples) need what `build` makes.
 */
const conditions = ['flowfabric-source', 'node']

interface Project {
  include: string[]
  /** Which store the fixture opens: `pglite`, `postgres18` or `postgres15`. */
  backend?: string
  timeoutMs?: number
}

const projects: Record<string, Project> = {
  unit: {
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'test/model/**/*.test.ts',
      'test/unit/**/*.test.ts',
    ],
  },
  'conformance:pglite': { include: ['test/conformance/**/*.test.ts'], backend: 'pglite' },
  'conformance:postgres18': { include: ['test/conformance/**/*.test.ts'], backend: 'postgres18' },
  'conformance:postgres15': { include: ['test/conformance/**/*.test.ts'], backend: 'postgres15' },
  concurrency: { include: ['test/concurrency/**/*.test.ts'], backend: 'postgres18', timeoutMs: 60_000 },
  differential: { include: ['test/differential/**/*.test.ts'], timeoutMs: 300_000 },
  faults: { include: ['test/faults/**/*.test.ts'], backend: 'postgres18', timeoutMs: 180_000 },
  server: { include: ['test/server/**/*.test.ts'], backend: 'pglite', timeoutMs: 60_000 },
  examples: { include: ['test/examples/**/*.test.ts'], timeoutMs: 180_000 },
}

export default defineConfig({
  test: {
    globalSetup: ['test/support/servers/global-setup.ts'],
    // Two cores are the smallest machine that the suite is made for.
    maxWorkers: 2,
    passWithNoTests: true,
    projects: Object.entries(projects).map(([name, { include, backend, timeoutMs = 30_000 }]) => ({
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      test: {
        name,
        include,
        pool: 'forks' as const,
        testTimeout: timeoutMs,
        hookTimeout: Math.max(timeoutMs, 60_000),
        env: backend === undefined ? {} : { FF_TEST_BACKEND: backend },
      },
    })),
  },
})
