import { type NamespaceRecord, parseNamespace } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'

describe('access, namespaces', () => {
  const store = useStore({})

  const put = (namespace: NamespaceRecord) => store().backend.access.put({ kind: 'namespace', namespace })
  const aNamespace = (more: Partial<NamespaceRecord> = {}): NamespaceRecord => ({
    namespace: store().namespace,
    label: 'a tenant',
    accepting: true,
    ...more,
  })

  it('exist from their first use: what was never put reads as such a one, and is not listed', async () => {
    const { access } = store().backend
    const { namespace } = store()
    expect(await access.getNamespace({ namespace })).toEqual({
      outcome: 'found',
      namespace: { namespace, label: '', accepting: true },
    })
    const { items } = await access.listNamespaces({})
    expect(items.map((item) => item.namespace)).not.toContain(namespace)
  })

  it('are created, changed, and unchanged by a repeat', async () => {
    const { access } = store().backend
    const { namespace } = store()
    const record = aNamespace()
    expect(await put(record)).toEqual({ outcome: 'created' })
    expect(await put(record)).toEqual({ outcome: 'unchanged' })
    const closed = { ...record, accepting: false }
    expect(await put(closed)).toEqual({ outcome: 'changed' })
    expect(await access.getNamespace({ namespace })).toEqual({ outcome: 'found', namespace: closed })
    expect((await access.listNamespaces({ limit: 1_000 })).items).toContainEqual(closed)
  })

  it('are listed by name, page by page', async () => {
    const names = ['m', 'a', 'Z', 'a-b', 'a.b'].map((name) => parseNamespace(`${store().namespace}:${name}`))
    for (const namespace of names) await put(aNamespace({ namespace }))
    const seen: string[] = []
    let cursor: string | undefined
    do {
      const page = await store().backend.access.listNamespaces({ cursor, limit: 2 })
      expect(page.items.length).toBeLessThanOrEqual(2)
      seen.push(...page.items.map(({ namespace }) => namespace))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(seen.filter((name) => names.includes(name as never))).toEqual(names.toSorted())
    expect(await codeOf(store().backend.access.listNamespaces({ cursor: 'no name' }))).toBe('invalid_cursor')
  })

  it.each([
    ['a bad name', { namespace: 'no name' as never }, 'invalid_namespace'],
    ['a label too long', { label: 'x'.repeat(257) }, 'limit_exceeded'],
    ['a word for yes', { accepting: 'yes' as never }, 'invalid_params'],
  ])('put refuses %s', async (_what, wrong, code) => {
    const { access } = store().backend
    const before = await access.listNamespaces({ limit: 1_000 })
    expect(await codeOf(put(aNamespace(wrong)))).toBe(code)
    expect(await access.listNamespaces({ limit: 1_000 })).toEqual(before)
  })
})
