import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import type { PostgresMajor } from './postgres.js'

export interface TestDatabase {
  readonly name: string
  readonly url: string
  drop(): Promise<void>
}

/** An empty database on the run's shared server, or on the one that was chosen: one per test file, or per test that needs its own. */
export async function createTestDatabase(major: PostgresMajor): Promise<TestDatabase> {
  const server = process.env.FF_TEST_URL ?? inject('postgresUrls')[major]
  if (server === undefined) {
    throw new Error(`this project has no PostgreSQL ${major}: name it in support/servers/global-setup.ts`)
  }
  const name = `test_${randomUUID().replaceAll('-', '')}`
  await onServer(server, `create database ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  return { name, url: url.href, drop: () => onServer(server, `drop database if exists ${name} with (force)`) }
}

async function onServer(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(text)
  } finally {
    await client.end()
  }
}
