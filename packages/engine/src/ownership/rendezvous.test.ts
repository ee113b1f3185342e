import { makePartitionTag, mintInstanceId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { chooseOwner } from './rendezvous.js'

const partitions = Array.from({ length: 256 }, (_, index) => makePartitionTag('flow', index))
const engines = Array.from({ length: 4 }, () => mintInstanceId())

describe('rendezvous hashing', () => {
  it('gives every partition exactly one owner, whatever the order of the list', () => {
    const reversed = [...engines].reverse()
    for (const partition of partitions) {
      const owner = chooseOwner(partition, engines)
      expect(engines).toContain(owner)
      expect(chooseOwner(partition, reversed)).toBe(owner)
    }
    expect(chooseOwner('{fp:1}', [])).toBeUndefined()
  })

  it('shares them out evenly enough', () => {
    for (const engine of engines) {
      const share = partitions.filter((partition) => chooseOwner(partition, engines) === engine).length
      expect(share).toBeGreaterThan(30)
      expect(share).toBeLessThan(110)
    }
  })

  it('moves only the partitions of the engine that went', () => {
    const [gone, ...left] = engines
    for (const partition of partitions) {
      const before = chooseOwner(partition, engines)
      if (before !== gone) expect(chooseOwner(partition, left)).toBe(before)
    }
  })
})
