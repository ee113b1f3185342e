import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { useStore } from '../support/use-store.js'

describe('wake-ups', () => {
  const store = useStore({})

  it('`NOTIFY` inside hot transactions serialises commits', async () => {
    const { inside } = store().opened
    if (!('url' in inside) || inside.url === null) throw new Error('this test needs a server')
    // No function or trigger of the store notifies: whoever does so sends it after the commit, by itself.
    const { rows } = await inside.pool.query(
      `select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = $1 and p.prosrc ~* 'pg_notify|\\mnotify\\M'`,
      [inside.schema],
    )
    expect(rows).toEqual([])
    // Nor does any statement of the package, but for the one place that sends hints, outside of transactions.
    const source = join(import.meta.dirname, '../../packages/backend-postgres/src')
    const files = (await readdir(source, { recursive: true })).filter(
      (name) => /\.ts$/.test(name) && !/\.test\.ts$/.test(name),
    )
    const notifying: string[] = []
    for (const name of files)
      if (/pg_notify/.test(await readFile(join(source, name), 'utf8'))) notifying.push(name)
    expect(notifying).toEqual([join('db', 'remote-hints.ts')])
  })
})
