import { describe, expect, it } from 'vitest'
import { createKnownLanes } from './known-lanes.js'

const lane = 'default/work'

describe('what a process knows of lanes', () => {
  function create() {
    let nowMs = 0
    const lanes = createKnownLanes(() => nowMs)
    return {
      lanes,
      pass(ms: number) {
        nowMs += ms
      },
    }
  }

  it('shares are as learnt last, else alike', () => {
    const { lanes } = create()
    expect(lanes.weightOf(lane)).toBe(1)
    lanes.learnWeight(lane, 5)
    expect(lanes.weightOf(lane)).toBe(5)
    lanes.learnWeight(lane, 1)
    expect(lanes.weightOf(lane)).toBe(1)
  })

  it('a lane that was found to hand out nothing rests until room is made in it', () => {
    const { lanes } = create()
    expect(lanes.hasResting).toBe(false)
    lanes.rest(lane, lanes.changesOf(lane))
    expect([lanes.isResting(lane), lanes.hasResting]).toEqual([true, true])
    expect(lanes.wake(lane)).toBe(true)
    expect([lanes.isResting(lane), lanes.hasResting]).toEqual([false, false])
  })

  it('is not believed to rest when room was made while it was looked at', () => {
    const { lanes } = create()
    const before = lanes.changesOf(lane)
    lanes.wake(lane)
    lanes.rest(lane, before)
    expect(lanes.isResting(lane)).toBe(false)
    // Whoever looked may have gone to sleep all the same.
    expect(lanes.wake(lane)).toBe(true)
  })

  it('is looked at again after a while, and who waits for it is woken much later too', () => {
    const { lanes, pass } = create()
    lanes.rest(lane, lanes.changesOf(lane))
    pass(1_000)
    expect(lanes.isResting(lane)).toBe(false)
    pass(10_000)
    expect(lanes.wake(lane)).toBe(true)
    pass(10_000)
    expect(lanes.wake(lane)).toBe(false)
  })

  it('nobody is woken for a lane that nobody looked at', () => {
    expect(create().lanes.wake(lane)).toBe(false)
  })

  it('after a gap nothing rests', () => {
    const { lanes } = create()
    const before = lanes.changesOf(lane)
    lanes.rest(lane, before)
    lanes.wakeAll()
    expect(lanes.isResting(lane)).toBe(false)
    lanes.rest(lane, before)
    expect(lanes.isResting(lane)).toBe(false)
  })
})
