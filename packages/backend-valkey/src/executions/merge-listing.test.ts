import { describe, expect, it } from 'vitest'
import { comesBefore, type Listed, type ListingSource, mergeListings } from './merge-listing.js'

const item = (createdAtMs: number, uuid: string): Listed => ({ createdAtMs, uuid })

/** A listing that answers at most `most` items a look, whatever is wanted, and says late that it has ended. */
function sourceOf(items: readonly Listed[], most: number): ListingSource<Listed> {
  const sorted = [...items].sort((one, other) => (comesBefore(one, other) ? -1 : 1))
  let at = 0
  return async (want) => {
    const part = sorted.slice(at, at + Math.min(want, most))
    at += part.length
    return { items: part, isEnd: part.length === 0 }
  }
}

describe('listings as one', () => {
  const first = [item(5, 'a'), item(3, 'b'), item(3, 'a'), item(1, 'z')]
  const second = [item(4, 'x'), item(3, 'aa'), item(2, 'q')]
  const all = [...first, ...second].sort((one, other) => (comesBefore(one, other) ? -1 : 1))

  it.each([1, 2, 100])('tells the newest first, ties by id, %i a look', async (most) => {
    const merged = await mergeListings([sourceOf(first, most), sourceOf(second, most)], 100)
    expect(merged).toEqual({ items: all, isMore: false })
  })

  it.each([1, 2, 6, 7])('of %i says whether more come', async (limit) => {
    const merged = await mergeListings([sourceOf(first, 2), sourceOf(second, 1)], limit)
    expect(merged).toEqual({ items: all.slice(0, limit), isMore: limit < all.length })
  })

  it('of none is empty', async () => {
    expect(await mergeListings([], 10)).toEqual({ items: [], isMore: false })
    expect(await mergeListings([sourceOf([], 1)], 10)).toEqual({ items: [], isMore: false })
  })

  it('goes on where a look found nothing and was not at its end', async () => {
    let looks = 0
    const slow: ListingSource<Listed> = async () => {
      looks += 1
      return looks < 4 ? { items: [], isEnd: false } : { items: [item(9, 'n')], isEnd: true }
    }
    const merged = await mergeListings([slow, sourceOf(second, 10)], 2)
    expect(merged).toEqual({ items: [item(9, 'n'), item(4, 'x')], isMore: true })
  })
})
