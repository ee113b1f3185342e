import { describe, expect, it } from 'vitest'
import { createClaimMemory } from './claim-memory.js'

const claim = { instanceId: 'instance', claimId: 'claim' }

describe('createClaimMemory', () => {
  it('knows nothing of an instance before all partitions were asked', () => {
    const memory = createClaimMemory()
    expect(memory.placesOf(claim)).toBeUndefined()
    memory.adopt('instance')
    expect(memory.placesOf(claim)).toBeUndefined()
    memory.settle('instance')
    expect(memory.placesOf(claim)).toEqual([])
  })

  it('remembers where a claim may have got something', () => {
    const memory = createClaimMemory()
    memory.adopt('instance')
    memory.settle('instance')
    memory.note(claim, 'fp:1')
    memory.note(claim, 'fp:2')
    memory.clear(claim, 'fp:1')
    expect(memory.placesOf(claim)).toEqual(['fp:2'])
    expect(memory.placesOf({ ...claim, claimId: 'other' })).toEqual([])
  })

  it('forgets an instance that another process serves, and all when something was missed', () => {
    const memory = createClaimMemory()
    memory.adopt('instance')
    memory.settle('instance')
    memory.note(claim, 'fp:1')
    memory.lose('instance')
    expect(memory.placesOf(claim)).toBeUndefined()
    // Lost while the partitions are asked: they are to be asked again.
    memory.adopt('instance')
    memory.loseAll()
    memory.settle('instance')
    expect(memory.placesOf(claim)).toBeUndefined()
  })

  it('keeps the last claims of an instance', () => {
    const memory = createClaimMemory()
    memory.adopt('instance')
    memory.settle('instance')
    for (let n = 0; n < 100; n += 1) memory.note({ ...claim, claimId: String(n) }, 'fp:1')
    expect(memory.placesOf({ ...claim, claimId: '99' })).toEqual(['fp:1'])
    expect(memory.placesOf({ ...claim, claimId: '0' })).toEqual([])
  })
})
