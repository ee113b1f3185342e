import { describe, expect, it } from 'vitest'
import { allot } from './allotment.js'

const alike = () => ({ virtualTime: 0, weight: 1 })
const offer = (lanes: Record<string, number>) => ({ lanes: new Map(Object.entries(lanes)) })
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)

describe('how many of a claim each partition is asked for', () => {
  it('all of it where there is one', () => {
    expect(allot(64, [offer({ a: 1 })], alike)).toEqual([64])
  })

  it('never more in all than the claim wants, whatever is known', () => {
    for (const max of [1, 2, 3, 7, 256]) {
      for (const counts of [
        [1, 1, 1],
        [3, 0, 5],
        [100, 1, 1],
        [1_000, 1_000, 1_000],
      ]) {
        const offers = counts.map((count) => offer({ a: count }))
        expect(sum(allot(max, offers, alike))).toBe(max)
      }
    }
  })

  it('more where more is', () => {
    expect(allot(6, [offer({ a: 4 }), offer({ a: 2 })], alike)).toEqual([4, 2])
    expect(allot(10, [offer({ a: 4 }), offer({ a: 2 })], alike)).toEqual([6, 4])
  })

  it('by the shares of lanes, where they are in different partitions', () => {
    const shareOf = (lane: string) => ({ virtualTime: 0, weight: lane === 'heavy' ? 3 : 1 })
    expect(allot(8, [offer({ heavy: 50 }), offer({ light: 50 })], shareOf)).toEqual([6, 2])
  })

  it('first to the lane that is furthest behind', () => {
    const shareOf = (lane: string) => ({ virtualTime: lane === 'behind' ? 0 : 3, weight: 1 })
    expect(allot(3, [offer({ ahead: 5 }), offer({ behind: 5 })], shareOf)).toEqual([0, 3])
  })

  it('nothing where nothing is asked', () => {
    expect(allot(3, [], alike)).toEqual([])
  })
})
