import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type PostgresMajor, startPostgres } from '../support/servers/postgres.js'
import { isAlive } from '../support/servers/processes.js'

async function rows(url: string, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end().catch(() => {})
  }
}

describe('the PostgreSQL server of the tests', () => {
  it.each<PostgresMajor>([15, 18])('runs version %i and leaves nothing behind', async (major) => {
    const server = await startPostgres({ major, durable: true })
    const url = await server.createDatabase('other')
    const [row] = await rows(url, 'show server_version')
    expect(row).toMatchObject({ server_version: expect.stringMatching(`^${major}\\.`) })
    const [where] = await rows(url, 'show data_directory')
    const folder = dirname((where as { data_directory: string }).data_directory)
    expect(existsSync(folder)).toBe(true)
    const { pid } = server
    await server.stop()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(folder)).toBe(false)
  })

  it('keeps what was committed when it is killed in the middle of a query and started again', async () => {
    const server = await startPostgres({ major: 18, durable: false })
    onTestFinished(() => server.stop())
    await rows(server.url, 'create table kept as select 1 as id')
    const cut = expect(rows(server.url, 'select pg_sleep(60)')).rejects.toThrow()
    const { pid } = server
    await server.kill()
    await cut
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(`/proc/${pid}`)).toBe(false)
    await server.restart()
    expect(server.pid).not.toBe(pid)
    expect(await rows(server.url, 'select id from kept')).toEqual([{ id: 1 }])
    await server.restart()
    expect(await rows(server.url, 'select id from kept')).toEqual([{ id: 1 }])
  })
})
