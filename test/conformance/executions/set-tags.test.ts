import { type ExecutionId, parseNamespace, type SetTags } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { codeOf, readOne, submitOne } from '../../support/builders.js'
import { useStore } from '../../support/use-store.js'

describe('executions.setTags', () => {
  const store = useStore()
  const setTags = (id: ExecutionId, change: Pick<SetTags, 'set' | 'remove'>) =>
    store().backend.executions.setTags({ namespace: store().namespace, id, ...change })

  it('sets and removes in one step, and answers what is there then', async () => {
    const id = await submitOne(store(), { tags: { 'a.keep': '1', 'a.change': '1', 'a.drop': '1' } })
    const tags = { 'a.keep': '1', 'a.change': '2', 'a.new': '' }
    const change = { set: { 'a.change': '2', 'a.new': '' }, remove: ['a.drop', 'a.unknown'] }
    expect(await setTags(id, change)).toEqual({ outcome: 'changed', tags })
    expect(await setTags(id, change)).toEqual({ outcome: 'changed', tags })
    expect((await readOne(store(), id)).tags).toEqual(tags)
  })

  it('works on what has ended', async () => {
    const id = await submitOne(store())
    await store().backend.executions.cancel({ namespace: store().namespace, id })
    await setTags(id, { set: { 'a.b': 'c' } })
    expect((await readOne(store(), id)).tags).toEqual({ 'a.b': 'c' })
  })

  it('makes the execution found by its new tags, and not by the old ones', async () => {
    const { backend, namespace } = store()
    const id = await submitOne(store(), { tags: { 'a.b': 'old' } })
    await setTags(id, { set: { 'a.b': 'new' } })
    const count = async (value: string) =>
      (await backend.executions.count({ namespace, filter: { tags: { 'a.b': value } } })).count
    expect([await count('old'), await count('new')]).toEqual([0, 1])
  })

  it('refuses more tags than the limit, counting those that stay', async () => {
    const tagsOf = (from: number, to: number) =>
      Object.fromEntries(Array.from({ length: to - from }, (_, n) => [`a.t${from + n}`, '']))
    const id = await submitOne(store(), { tags: tagsOf(0, 30) })
    expect(await codeOf(setTags(id, { set: tagsOf(30, 33) }))).toBe('too_many_tags')
    expect(Object.keys((await readOne(store(), id)).tags)).toHaveLength(30)
    expect((await setTags(id, { set: tagsOf(30, 33), remove: ['a.t0'] })).outcome).toBe('changed')
  })

  it('is refused for unknown and foreign executions, and for bad input', async () => {
    const id = await submitOne(store())
    expect(await codeOf(setTags(store().aSolo().id, {}))).toBe('execution_not_found')
    const foreign = store().backend.executions.setTags({ namespace: parseNamespace('foreign'), id })
    expect(await codeOf(foreign)).toBe('execution_not_found')
    expect(await codeOf(setTags(id, { set: { nodot: '' } }))).toBe('invalid_tag')
    expect(await codeOf(setTags(id, { set: { 'ff.x': '' } }))).toBe('invalid_tag')
    expect(await codeOf(setTags(id, { set: { 'a.b': 'x'.repeat(257) } }))).toBe('tag_too_long')
    expect(await codeOf(setTags(id, { remove: ['A.B'] }))).toBe('invalid_tag')
    expect((await readOne(store(), id)).tags).toEqual({})
  })
})
