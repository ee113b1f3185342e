import type { TestProject } from 'vitest/node'
import { type PostgresMajor, type PostgresServer, startPostgres } from './postgres.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the run's one server of that major; absent when no selected project needs it. */
    postgresUrls: Partial<Record<PostgresMajor, string>>
  }
}

/** Which projects use the run's shared PostgreSQL servers. The other projects start none. */
const majorsOf: Record<string, PostgresMajor[]> = {
  'conformance:postgres18': [18],
  'conformance:postgres15': [15],
  postgres: [15, 18],
  concurrency: [18],
  differential: [18],
  faults: [18],
  server: [18],
}

/** One server per major for the whole run: its start costs more than most test files. */
export default async function setup(root: TestProject): Promise<() => Promise<void>> {
  const majors = new Set(root.vitest.projects.flatMap(({ name }) => majorsOf[name] ?? []))
  const started: PostgresServer[] = []
  const stop = async () => {
    await Promise.all(started.map((server) => server.stop()))
  }
  try {
    for (const major of majors) started.push(await startPostgres({ major, durable: false }))
  } catch (error) {
    await stop()
    throw error
  }
  root.provide('postgresUrls', Object.fromEntries(started.map(({ major, url }) => [major, url])))
  return stop
}
