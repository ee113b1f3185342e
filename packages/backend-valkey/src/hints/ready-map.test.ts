import { describe, expect, it } from 'vitest'
import { createReadyMap } from './ready-map.js'

const [a, b] = ['fp:0', 'fp:1']
const rids = new Set(['r1', 'r2'])

describe('what is known of claimable work', () => {
  const create = () => createReadyMap([a, b])
  const tagsOf = (map: ReturnType<typeof create>) => map.find(rids).map(({ tag }) => tag)

  it('is what was noted last, by partition and route', () => {
    const map = create()
    map.note(a, 1, new Map([['r1', 3]]))
    map.note(b, 4, new Map([['other', 1]]))
    expect(map.find(rids)).toMatchObject([{ tag: a, ready: new Map([['r1', 3]]) }])
    map.note(a, 1, new Map([['r1', 0]]))
    expect(map.find(rids)).toEqual([])
  })

  it('an answer cannot hide younger news, in whichever order they come', () => {
    const map = create()
    map.note(a, 5, new Map([['r1', 1]]))
    map.note(a, 4, new Map([['r1', 0]]))
    expect(tagsOf(map)).toEqual([a])
    map.stall(a, ['r1'], 4)
    expect(tagsOf(map)).toEqual([a])
    map.stall(a, ['r1'], 5)
    expect(tagsOf(map)).toEqual([])
  })

  it('those that were looked at last come last', () => {
    const map = create()
    map.note(a, 1, new Map([['r1', 1]]))
    map.note(b, 1, new Map([['r2', 1]]))
    map.touch(a)
    expect(tagsOf(map)).toEqual([b, a])
    map.touch(b)
    expect(tagsOf(map)).toEqual([a, b])
  })

  it('a partition is known once it was learnt, and forgotten after a gap', () => {
    const map = create()
    expect(map.unknown()).toEqual([a, b])
    map.learn(a, 2, ['r1'])
    expect([map.isKnown(a), map.unknown()]).toEqual([true, [b]])
    expect(tagsOf(map)).toEqual([a])
    map.forget(a)
    expect(map.unknown()).toEqual([a, b])
  })
})
