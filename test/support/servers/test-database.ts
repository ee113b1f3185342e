import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import type { PostgresMajor } from './postgres.js'

export interface TestDatabase {
  readonly name: string
  readonly url: string
  drop(): Promise<void>
}

/** What a database is to hold from its beginning. */
export interface TestTemplate {
  /** Says what it holds: those of one name are alike. */
  readonly name: string
  fill(url: string): Promise<void>
}

/**
 * A database on the run's shared server, or on the one that was chosen: one per test file, or per test that needs its own.
 * Empty, unless there is a template.
 */
export async function createTestDatabase(
  major: PostgresMajor,
  template?: TestTemplate,
): Promise<TestDatabase> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const drop = (server: string) => onServer(server, `drop database if exists ${name} with (force)`)
  const chosen = process.env.FF_TEST_URL
  if (chosen !== undefined) {
    await onServer(chosen, `create database ${name}`)
    const url = urlOf(chosen, name)
    // A template would be left there.
    await template?.fill(url)
    return { name, url, drop: () => drop(chosen) }
  }
  const server = inject('postgresUrls')[major]
  if (server === undefined) {
    throw new Error(`this project has no PostgreSQL ${major}: name it in support/servers/global-setup.ts`)
  }
  if (template !== undefined) await makeTemplate(server, template)
  await onServer(server, `create database ${name} template ${template?.name ?? 'template1'}`)
  return { name, url: urlOf(server, name), drop: () => drop(server) }
}

/** Made by the first who needs it, and copied by all: filling a database takes ten times as long as copying it. */
async function makeTemplate(server: string, { name, fill }: TestTemplate): Promise<void> {
  await withClient(server, async (client) => {
    // One at a time, in all processes of the run. The lock ends with the connection.
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [name])
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name])
    if (rowCount !== 0) return
    await client.query(`create database ${name}`)
    try {
      await fill(urlOf(server, name))
    } catch (error) {
      await client.query(`drop database ${name} with (force)`)
      throw error
    }
  })
}

function urlOf(server: string, database: string): string {
  const url = new URL(server)
  url.pathname = `/${database}`
  return url.href
}

async function onServer(url: string, text: string): Promise<void> {
  await withClient(url, (client) => client.query(text))
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}
