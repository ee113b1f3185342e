import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { useStore } from '../support/use-store.js'

describe('wake-ups', () => {
  const store = useStore({})

  it('`NOTIFY` inside hot transactions serialises commits', async () => {
    const { inside } = store().opened
    if (!('url' in inside) || inside.url === null) throw new Error('this test needs a server')
    // Whoever notifies sends it after the commit, by itself. Only a submit in a user's transaction cannot: the commit is his.
    const { rows } = await inside.pool.query(
      `select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = $1 and p.prosrc ~* 'pg_notify|\\mnotify\\M'`,
      [inside.schema],
    )
    expect(rows).toEqual([{ proname: 'tell_at_commit' }])
    const { rows: callers } = await inside.pool.query(
      `select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = $1 and p.prosrc ~ 'tell_at_commit' order by p.proname collate "C"`,
      [inside.schema],
    )
    expect(callers.map(({ proname }) => proname)).toEqual(['submit_flow_inside', 'submit_inside'])
    // Nor does any statement of the package beside the functions above, but for the one place that sends hints, outside of
    // transactions.
    const source = join(import.meta.dirname, '../../packages/backend-postgres/src')
    const files = (await readdir(source, { recursive: true })).filter(
      (name) => /\.ts$/.test(name) && !/\.test\.ts$/.test(name) && !name.startsWith('generated'),
    )
    const notifying: string[] = []
    for (const name of files)
      if (/pg_notify/.test(await readFile(join(source, name), 'utf8'))) notifying.push(name)
    expect(notifying).toEqual([join('db', 'remote-hints.ts')])
  })
})
