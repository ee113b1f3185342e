import { makePartitionTag, type PartitionScanner } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../manual-clock.js'
import { BatchSizer } from './batch-sizer.js'
import { DueAims } from './due-aims.js'
import { PassQueue } from './pass-queue.js'
import { ScanSlot } from './scan-slot.js'
import { StoreClock } from './store-clock.js'

const half = () => 0.5

function aScanner(traits: Partial<PartitionScanner> = {}): PartitionScanner {
  return {
    name: 'a_scanner',
    scope: 'partition',
    family: 'flow',
    wakesOn: ['outbox'],
    pace: 'at_once',
    intervalMs: 1_000,
    appliesFilter: false,
    metrics: [],
    scanPartition: () => Promise.resolve({ processed: 0, errors: 0 }),
    ...traits,
  }
}

describe('the store’s time', () => {
  it('is estimated from the quickest answer, and put right at once when it jumps', () => {
    const clock = createManualClock(1_000)
    const store = new StoreClock(clock)
    expect(store.isKnown).toBe(false)
    store.read(50_000, 998, 1_000)
    expect(store.nowMs()).toBe(50_001)
    // A slow answer that fits what is known changes nothing.
    store.read(50_010, 990, 1_010)
    expect(store.nowMs()).toBe(50_001)
    store.read(99_000, 999, 1_001)
    expect(store.nowMs()).toBe(99_000)
  })
})

describe('aims at due times', () => {
  it('fire in order within a ms of the store’s time, one timer for all', async () => {
    const clock = createManualClock(0)
    const store = new StoreClock(clock)
    store.read(10_000, 0, 0)
    const fired: string[] = []
    const aims = new DueAims<string>(clock, store, (target) => fired.push(`${target}@${clock.nowMs()}`))
    aims.set('b', 10_200)
    aims.set('a', 10_100)
    aims.bringForward('b', 10_300)
    expect(clock.pending).toBe(1)
    await clock.advance(150)
    expect(fired).toEqual(['a@100.5'])
    aims.set('b', undefined)
    await clock.advance(1_000)
    expect(fired).toHaveLength(1)
    expect(clock.pending).toBe(0)
  })

  it('are aligned anew when the store’s time turns out to be another', async () => {
    const clock = createManualClock(0)
    const store = new StoreClock(clock)
    const fired: number[] = []
    const aims = new DueAims<string>(clock, store, () => fired.push(clock.nowMs()))
    aims.set('a', 10_100)
    store.read(10_000, 0, 0)
    aims.realign()
    await clock.advance(200)
    expect(fired).toEqual([100.5])
  })
})

describe('a slot', () => {
  const partition = makePartitionTag('flow', 0)

  it('never runs twice at once, and remembers a wake that came while it ran', () => {
    const slot = new ScanSlot(aScanner(), partition, 0, half)
    expect(slot.isDue(0)).toBe(false)
    slot.want()
    expect(slot.isDue(0)).toBe(true)
    slot.begin(0)
    slot.want()
    expect(slot.isDue(0)).toBe(false)
    slot.finish({ processed: 1, errors: 0 }, 0)
    expect(slot.isDue(0)).toBe(true)
  })

  it('backs off longer with each failure, and forgets that with a success', () => {
    const slot = new ScanSlot(aScanner(), partition, 0, half)
    const pauses: number[] = []
    let nowMs = 0
    for (let failure = 0; failure < 12; failure++) {
      slot.begin(nowMs)
      slot.fail(nowMs, half)
      let pauseMs = 0
      while (!slot.isDue(nowMs + pauseMs)) pauseMs += 25
      pauses.push(pauseMs)
      nowMs += pauseMs
    }
    expect(pauses.slice(0, 4)).toEqual([375, 750, 1_500, 3_000])
    expect(pauses.at(-1)).toBe(11_250)
    slot.begin(nowMs)
    slot.finish({ processed: 0, errors: 0 }, nowMs)
    slot.want()
    expect(slot.isDue(nowMs)).toBe(true)
  })

  it('waits no longer once it is forgiven', () => {
    const slot = new ScanSlot(aScanner(), partition, 0, half)
    slot.begin(0)
    slot.fail(0, half)
    expect(slot.isDue(0)).toBe(false)
    slot.forgive()
    expect([slot.isDue(0), slot.failures]).toEqual([true, 0])
  })

  it('in the background is wanted like any other, but not urgent', () => {
    const slot = new ScanSlot(aScanner({ isBackground: true }), partition, 0, half)
    slot.want()
    expect([slot.isDue(0), slot.isUrgent]).toEqual([true, false])
    expect(new ScanSlot(aScanner({ pace: 'interval' }), partition, 0, half).isUrgent).toBe(false)
    expect(new ScanSlot(aScanner(), partition, 0, half).isUrgent).toBe(true)
  })

  it('asks to go on only when it got on', () => {
    const slot = new ScanSlot(aScanner(), partition, 0, half)
    slot.begin(0)
    expect(slot.finish({ processed: 0, errors: 0, more: true }, 0)).toBe(false)
    slot.begin(0)
    expect(slot.finish({ processed: 1, errors: 0, more: true }, 0)).toBe(true)
  })

  it('by interval waits for it, however often it is wanted', () => {
    const slot = new ScanSlot(aScanner({ pace: 'interval' }), partition, 0, () => 0)
    slot.want()
    expect(slot.isDue(999)).toBe(false)
    expect(slot.isDue(1_000)).toBe(true)
  })

  it('by interval rests longer after a long pass, up to its bound', () => {
    const scanner = aScanner({ pace: 'interval', longestIntervalMs: 5_000 })
    const slot = new ScanSlot(scanner, partition, 0, () => 0)
    const intervalAfter = (passMs: number) => {
      slot.begin(0)
      slot.finish({ processed: 1, errors: 0 }, passMs)
      slot.want()
      let atMs = 0
      while (!slot.isDue(atMs)) atMs += 100
      return atMs
    }
    expect([1, 5, 10, 100, 1].map(intervalAfter)).toEqual([1_000, 2_000, 4_000, 5_000, 1_000])
  })

  it('always running is rare while nothing stirs, and usual when something does', () => {
    const scanner = aScanner({ wakesOn: ['always'], pace: 'interval', quietIntervalMs: 60_000 })
    const slot = new ScanSlot(scanner, partition, 0, () => 0)
    expect(slot.isDue(1_000)).toBe(true)
    slot.begin(1_000)
    slot.finish({ processed: 0, errors: 0 }, 1_000)
    expect(slot.isDue(30_000)).toBe(false)
    slot.stir(1_500)
    expect(slot.isDue(2_000)).toBe(true)
    slot.begin(2_000)
    slot.finish({ processed: 1, errors: 0 }, 2_000)
    expect(slot.isDue(3_000)).toBe(true)
    slot.begin(3_000)
    slot.finish({ processed: 0, errors: 0 }, 3_000)
    expect(slot.isDue(62_999)).toBe(false)
    expect(slot.isDue(63_000)).toBe(true)
  })
})

describe('the queue of passes', () => {
  it('bounds what runs, lets urgent passes first, and keeps places free of background ones', async () => {
    const queue = new PassQueue(4)
    const begun: string[] = []
    const ends: (() => void)[] = []
    const pass = (name: string) => () => {
      begun.push(name)
      return new Promise<void>((resolve) => ends.push(resolve))
    }
    for (const name of ['b1', 'b2', 'b3']) queue.add(pass(name), false)
    for (const name of ['u1', 'u2', 'u3']) queue.add(pass(name), true)
    expect(begun).toEqual(['b1', 'b2', 'u1', 'u2'])
    ends[0]?.()
    await new Promise(setImmediate)
    expect(begun.slice(4)).toEqual(['u3'])
    let idle = false
    void queue.idle().then(() => {
      idle = true
    })
    for (let round = 0; round < 3; round++) {
      for (const end of ends) end()
      await new Promise(setImmediate)
    }
    expect(begun).toHaveLength(6)
    expect(idle).toBe(true)
  })
})

describe('batches', () => {
  it('shrink after slow or failed passes, never below one, and grow again', () => {
    const sizer = new BatchSizer()
    expect(sizer.size(100)).toBe(100)
    sizer.record({ failed: true, durationMs: 1, done: 0 })
    expect(sizer.size(100)).toBe(50)
    sizer.record({ failed: false, durationMs: 5_000, done: 50 })
    expect(sizer.size(100)).toBe(25)
    for (let pass = 0; pass < 20; pass++) sizer.record({ failed: true, durationMs: 1, done: 0 })
    expect(sizer.size(10)).toBe(1)
    for (let pass = 0; pass < 20; pass++) sizer.record({ failed: false, durationMs: 1, done: 1 })
    expect(sizer.size(100)).toBe(100)
  })

  it('are not to blame for a slow pass that had room for more', () => {
    const sizer = new BatchSizer()
    expect(sizer.size(100)).toBe(100)
    sizer.record({ failed: true, durationMs: 5_000, done: 0 })
    for (let pass = 0; pass < 20; pass++) {
      const done = sizer.size(100) - 1
      sizer.record({ failed: false, durationMs: 5_000, done })
    }
    expect(sizer.size(100)).toBe(100)
  })

  it('do not shrink to next to nothing where all passes are slow, and come back from there', () => {
    const sizer = new BatchSizer()
    const recordAll = (failed: boolean) => {
      for (let pass = 0; pass < 20; pass++) {
        const done = sizer.size(800)
        sizer.record({ failed, durationMs: 5_000, done })
      }
    }
    recordAll(false)
    expect(sizer.size(800)).toBe(100)
    recordAll(true)
    expect(sizer.size(800)).toBe(12)
    recordAll(false)
    expect(sizer.size(800)).toBe(100)
  })
})
