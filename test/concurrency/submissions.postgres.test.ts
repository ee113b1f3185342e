import type { ExecutionSubmission } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import type { SqlInside } from '../support/backends.js'
import { rounds } from '../support/soak.js'
import { race, useSessions } from './use-sessions.js'

describe('two large calls that submit the same', () => {
  const sessions = useSessions()
  const databaseDeadlocks = async () => {
    const { pool } = sessions().store.opened.inside as SqlInside
    const told = await pool.query('select deadlocks from pg_stat_database where datname = current_database()')
    return Number(told.rows[0]?.deadlocks)
  }

  it.each([false, true])(
    'in opposite orders accept each once, and never deadlock (with keys: %s)',
    async (isKeyed) => {
      const { store, one, two } = sessions()
      const { namespace } = store
      const submit = async (backend: typeof one, items: readonly ExecutionSubmission[]) =>
        (await backend.executions.submit({ namespace, items })).items
      const before = await databaseDeadlocks()
      for (let round = 0; round < rounds(400); round += 1) {
        const items = Array.from({ length: 200 }, (_, n) =>
          store.aSolo(isKeyed ? { idempotencyKey: `order ${round} ${n}` } : {}),
        )
        const [there, back] = await race(
          round,
          () => submit(one, items),
          () => submit(two, [...items].reverse()),
        )
        const pairs = items.map(({ id }, n) => ({ id, seen: [there[n], back[items.length - 1 - n]] }))
        for (const { id, seen } of pairs) {
          const ordered = seen.toSorted((a, b) => String(a?.outcome).localeCompare(String(b?.outcome)))
          expect(ordered).toEqual([
            { outcome: 'accepted', id },
            { outcome: 'duplicate', id },
          ])
        }
      }
      expect(await databaseDeadlocks()).toBe(before)
    },
  )
})
