import {
  type AppendAudit,
  type AuditEntry,
  type ListAudit,
  limits,
  mintUuid,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'

describe('audit', () => {
  const store = useStore({})

  const anAction = (more: Partial<AppendAudit> = {}): AppendAudit => ({
    actionId: mintUuid(),
    namespace: store().namespace,
    actor: 'token:1',
    action: 'executions.cancel',
    subjects: ['{fp:1}:an-execution'],
    reason: 'a test',
    outcome: null,
    ...more,
  })
  const append = (entry: AppendAudit) => store().backend.audit.append(entry)
  const list = async (filter: ListAudit = {}, limit = 100) => {
    const entries: AuditEntry[] = []
    let cursor: string | undefined
    for (;;) {
      const page = await store().backend.audit.list({
        namespace: store().namespace,
        ...filter,
        cursor,
        limit,
      })
      expect(page.items.length).toBeLessThanOrEqual(limit)
      entries.push(...page.items)
      if (page.nextCursor === null) return entries
      cursor = page.nextCursor
    }
  }

  it('append records an action with the time of the store', async () => {
    const entry = anAction()
    expect(await append(entry)).toEqual({ outcome: 'appended' })
    expect(await list()).toEqual([{ ...entry, atMs: await store().nowMs() }])
  })

  it('a second append tells what came of it, and changes nothing else', async () => {
    const entry = anAction()
    await append(entry)
    const atMs = await store().nowMs()
    await store().advance(1_000)
    const told = { ...entry, actor: 'another', reason: null, subjects: [], outcome: 'cancelled' }
    expect(await append(told)).toEqual({ outcome: 'completed' })
    expect(await list()).toEqual([{ ...entry, outcome: 'cancelled', atMs }])
    expect(await append({ ...told, outcome: 'execution_terminal' })).toEqual({ outcome: 'duplicate' })
    expect(await append(entry)).toEqual({ outcome: 'duplicate' })
    expect(await list()).toEqual([{ ...entry, outcome: 'cancelled', atMs }])
  })

  it('a repeat of append is a duplicate', async () => {
    const entry = anAction()
    await append(entry)
    expect(await append(entry)).toEqual({ outcome: 'duplicate' })
    const whole = anAction({ outcome: 'done' })
    expect(await append(whole)).toEqual({ outcome: 'appended' })
    expect(await append(whole)).toEqual({ outcome: 'duplicate' })
    expect(await list()).toHaveLength(2)
  })

  it('takes actions without namespace, subjects or reason', async () => {
    const actor = `token:${mintUuid()}`
    const entry = anAction({ namespace: null, subjects: [], reason: null, outcome: 'added', actor })
    await append(entry)
    const { items } = await store().backend.audit.list({ actor })
    expect(items).toEqual([{ ...entry, atMs: await store().nowMs() }])
    expect(await list()).toEqual([])
  })

  it('list tells the newest first, page by page', async () => {
    const entries: AppendAudit[] = []
    for (let n = 0; n < 7; n += 1) {
      entries.push(anAction())
      await append(entries[n] as AppendAudit)
      if (n % 2 === 0) await store().advance(1)
    }
    const ids = entries.map(({ actionId }) => actionId).reverse()
    for (const limit of [1, 2, 3, 7, 100]) {
      expect((await list({}, limit)).map(({ actionId }) => actionId)).toEqual(ids)
    }
  })

  it('list filters by namespace, actor and subject', async () => {
    const other = parseNamespace(`${store().namespace}-2`)
    const [a, b, c] = [
      anAction({ actor: 'ann', subjects: ['x', 'y'] }),
      anAction({ actor: 'bob', subjects: ['y'] }),
      anAction({ actor: 'ann', subjects: ['y'], namespace: other }),
    ]
    for (const entry of [a, b, c]) await append(entry)
    const idsOf = async (filter: ListAudit) => (await list(filter, 1)).map(({ actionId }) => actionId)
    expect(await idsOf({ actor: 'ann' })).toEqual([a.actionId])
    expect(await idsOf({ subject: 'y' })).toEqual([b.actionId, a.actionId])
    expect(await idsOf({ subject: 'x', actor: 'bob' })).toEqual([])
    expect(await idsOf({ namespace: other, subject: 'y' })).toEqual([c.actionId])
  })

  it('an entry is kept for a year', async () => {
    const { backend, partitions } = store()
    const trim = async (max = 500) => {
      let count = 0
      for (const partition of partitions) {
        for (let more = true; more; ) {
          const page = await backend.maintenance.trimRetention({ partition, max })
          for (const { what, count: n } of page.items) {
            if (what !== 'audit_entry') continue
            expect(n).toBeLessThanOrEqual(max)
            count += n
          }
          more = page.more
        }
      }
      return count
    }
    const pending = async () => {
      const { partitions: pulses } = await backend.maintenance.pulse({ partitions })
      return pulses[0]?.pending.includes('retention')
    }
    // What other tests left is older.
    await store().advance(1)
    const old = [anAction(), anAction(), anAction()]
    for (const entry of old) await append(entry)
    await store().advance(1_000)
    const young = anAction()
    await append(young)
    await store().advance(limits.auditAgeMsMax - 1_001)
    await trim()
    expect(await list()).toHaveLength(4)
    await store().advance(1)
    expect(await pending()).toBe(true)
    expect(await trim(1)).toBe(3)
    expect((await list()).map(({ actionId }) => actionId)).toEqual([young.actionId])
    expect(await pending()).toBe(false)
    // Its id is free again, as that of an action nobody knows of.
    expect(await append(old[0] as AppendAudit)).toEqual({ outcome: 'appended' })
  })

  it.each([
    ['an id that is none', { actionId: 'x' }, 'invalid_params'],
    ['a bad namespace', { namespace: 'no name' as never }, 'invalid_namespace'],
    ['no actor', { actor: '' }, 'invalid_params'],
    ['an actor too long', { actor: 'x'.repeat(513) }, 'limit_exceeded'],
    ['no action', { action: '' }, 'invalid_params'],
    ['too many subjects', { subjects: Array.from({ length: 101 }, () => 'x') }, 'limit_exceeded'],
    ['NUL in a reason', { reason: 'a\0b' }, 'nul_in_text'],
    ['an empty outcome', { outcome: '' }, 'invalid_params'],
  ])('append refuses %s', async (_what, wrong, code) => {
    expect(await codeOf(append(anAction(wrong)))).toBe(code)
    expect(await list()).toEqual([])
  })

  it('list refuses a cursor of another listing', async () => {
    expect(await codeOf(store().backend.audit.list({ cursor: 'p3' }))).toBe('invalid_cursor')
  })
})
