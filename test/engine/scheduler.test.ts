import { type ClaimRequest, engineError, mintClaimId, parseKind, parseLaneId } from '@flowfabric/core'
import type { Engine } from '@flowfabric/engine'
import { afterEach, describe, expect, it } from 'vitest'
import { lane, namespace, openStage, type Stage } from './stage.js'
import { beginClaim, claimedIn } from './waiters.js'

let stage: Stage

afterEach(() => stage.close())

/** Claims that were sent to the store since the last `forgetCalls`. */
const claims = () => stage.calls.get('leases.claim') ?? 0

/** An engine without scanners, so that all calls are the scheduler's. */
async function openScheduler(): Promise<Engine> {
  stage = openStage({ partitionCount: 2 })
  const engine = stage.openEngine({ scanners: [] })
  await engine.start()
  return engine
}

describe('a waiting claim', () => {
  it('costs no polling: one call at its arrival, and one look a while for all together', async () => {
    const engine = await openScheduler()
    const waiters = Array.from({ length: 16 }, () => beginClaim(stage, engine))
    await stage.clock.advance(100)
    expect(claims()).toBe(16)
    expect(engine.health().claimsWaiting).toBe(16)
    stage.forgetCalls()
    await stage.clock.advance(29_000)
    expect(claims()).toBe(0)
    // After 1, 2, 4 and 8 s.
    expect(stage.totalCalls()).toBeLessThanOrEqual(4)
    await stage.clock.advance(1_000)
    expect(waiters.every(({ answer }) => answer?.outcome === 'empty')).toBe(true)
    expect(engine.health().claimsWaiting).toBe(0)
  })

  it('looks no sooner for news of lanes that nobody here serves', async () => {
    const engine = await openScheduler()
    beginClaim(stage, engine, { waitMs: 60_000 })
    await stage.submit({ lane: parseLaneId('elsewhere') })
    await stage.clock.advance(8_000)
    stage.forgetCalls()
    // What their owner's pulses tell again each second.
    for (let second = 0; second < 20; second += 1) {
      await stage.model.maintenance.pulse({ partitions: [] })
      await stage.clock.advance(1_000)
    }
    expect(stage.totalCalls()).toBeLessThanOrEqual(2)
  })

  it('is resumed at once by a hint, and only as many as there is work', async () => {
    const engine = await openScheduler()
    const waiters = Array.from({ length: 16 }, () => beginClaim(stage, engine))
    await stage.clock.settle()
    stage.forgetCalls()
    await stage.submit()
    await stage.clock.settle()
    expect(claimedIn(waiters)).toBe(1)
    expect(claims()).toBe(1)
    for (let each = 0; each < 5; each++) await stage.submit()
    await stage.clock.settle()
    expect(claimedIn(waiters)).toBe(6)
    expect(claims()).toBe(6)
    // The one that has waited longest is first.
    expect(waiters.map(({ answer }) => answer?.outcome === 'claimed')).toEqual(
      waiters.map((_, index) => index < 6),
    )
  })

  it('that takes many is resumed alone for all of them', async () => {
    const engine = await openScheduler()
    const waiters = [1, 2, 3].map(() => beginClaim(stage, engine, { max: 10 }))
    await stage.clock.settle()
    stage.forgetCalls()
    const items = await Promise.all([1, 2, 3, 4].map(() => stage.submit()))
    await stage.clock.settle()
    expect(claimedIn(waiters)).toBe(items.length)
    expect(claims()).toBeLessThanOrEqual(2)
  })

  it('with waitMs 0 is answered at once', async () => {
    const engine = await openScheduler()
    const answer = await engine.backend.leases.claim(stage.aClaim({ waitMs: 0 }))
    expect(answer).toEqual({ outcome: 'empty' })
    expect(stage.clock.pending).toBe(0)
  })

  it('finds work whose hint was lost at the next look', async () => {
    const engine = await openScheduler()
    const waiters = [1, 2, 3].map(() => beginClaim(stage, engine))
    await stage.clock.settle()
    stage.passHint = () => false
    await stage.submit()
    await stage.submit()
    await stage.submit()
    await stage.clock.advance(990 + 260)
    expect(claimedIn(waiters)).toBe(3)
  })

  it('loses no hint that comes while its first call is under way', async () => {
    const engine = await openScheduler()
    // The answer takes its time: what it saw is old when it arrives.
    let deliver: () => void = () => {}
    stage.disturbAnswer = () =>
      new Promise<void>((resolve) => {
        deliver = resolve
      })
    const waiter = beginClaim(stage, engine)
    await stage.clock.settle()
    stage.disturbAnswer = undefined
    await stage.submit()
    await stage.clock.settle()
    expect(waiter.answer).toBeUndefined()
    deliver()
    await stage.clock.settle()
    expect(claimedIn([waiter])).toBe(1)
  })

  it('ends when its caller goes away, and takes nothing from then on', async () => {
    const engine = await openScheduler()
    const gone = new AbortController()
    const waiter = beginClaim(stage, engine, { signal: gone.signal })
    await stage.clock.settle()
    gone.abort()
    await stage.clock.settle()
    expect(waiter.answer).toEqual({ outcome: 'empty' })
    const id = await stage.submit()
    await stage.clock.settle()
    expect(await stage.stateOf(id)).toBe('waiting')
  })

  it('answers the same leases to a repeat with its claim id', async () => {
    const engine = await openScheduler()
    const claimId = mintClaimId()
    const first = beginClaim(stage, engine, { claimId })
    await stage.clock.settle()
    await stage.submit()
    await stage.clock.settle()
    const repeat = beginClaim(stage, engine, { claimId, instanceId: first.request.instanceId })
    await stage.clock.settle()
    expect(first.answer?.outcome).toBe('claimed')
    expect(repeat.answer).toEqual(first.answer)
  })

  it('is refused with the store’s error when its try fails, and the others go on waiting', async () => {
    const engine = await openScheduler()
    const waiters = [1, 2].map(() => beginClaim(stage, engine))
    await stage.clock.settle()
    let failures = 1
    stage.disturb = (operation) => {
      if (operation === 'leases.claim' && failures-- > 0) throw engineError('store_unreachable', 'away')
    }
    await stage.submit()
    await stage.clock.settle()
    expect(waiters[0]?.error).toMatchObject({ code: 'store_unreachable' })
    expect(waiters[1]?.answer).toBeUndefined()
    await stage.submit()
    await stage.clock.settle()
    expect(claimedIn(waiters)).toBe(1)
  })
})

describe('claims that serve different work', () => {
  it('only those of the hinted lane are resumed', async () => {
    const engine = await openScheduler()
    const other = parseLaneId('other')
    const elsewhere = beginClaim(stage, engine, { lanes: [other] })
    const here = beginClaim(stage, engine)
    await stage.clock.settle()
    stage.forgetCalls()
    await stage.submit()
    await stage.clock.settle()
    expect(claims()).toBe(1)
    expect(here.answer?.outcome).toBe('claimed')
    expect(elsewhere.answer).toBeUndefined()
  })

  it('work that the first of them can’t do goes to the one who can', async () => {
    const engine = await openScheduler()
    const special = parseKind('special')
    const plain = Array.from({ length: 8 }, () => beginClaim(stage, engine))
    const capable = beginClaim(stage, engine, { kinds: [special], capabilities: ['gpu'] })
    await stage.clock.settle()
    stage.forgetCalls()
    await stage.submit({ kind: special, capabilities: ['gpu'] })
    await stage.clock.settle()
    expect(capable.answer?.outcome).toBe('claimed')
    expect(claimedIn(plain)).toBe(0)
    // One try stands for all eight that serve the same.
    expect(claims()).toBe(2)
  })

  it('a backlog that nobody serves costs a bounded number of tries', async () => {
    const engine = await openScheduler()
    for (let each = 0; each < 50; each++) await stage.submit({ kind: parseKind('unknown') })
    const waiters = Array.from({ length: 16 }, () => beginClaim(stage, engine))
    await stage.clock.settle()
    stage.forgetCalls()
    await stage.clock.advance(10_000)
    expect(claims()).toBeLessThanOrEqual(11)
    expect(claimedIn(waiters)).toBe(0)
  })

  it('lanes that compete for tries are served by their weights', async () => {
    stage = openStage({ partitionCount: 2 })
    const heavy = parseLaneId('heavy')
    await stage.model.lanes.configure({ namespace, lane: heavy, settings: { weight: 3 } })
    const engine = stage.openEngine({ scanners: [], claimTriesMax: 1 })
    await engine.start()
    for (const each of [lane, heavy])
      for (let i = 0; i < 40; i++) beginClaim(stage, engine, { lanes: [each] })
    await stage.clock.settle()
    // A round of both lets the weights be read, after which they count.
    const submit = (each: typeof lane) => stage.submit({ lane: each })
    await Promise.all([submit(lane), submit(heavy)])
    await stage.clock.settle()
    const order: string[] = []
    stage.disturb = (operation, params) => {
      if (operation === 'leases.claim') order.push((params as ClaimRequest).lanes[0] ?? '')
    }
    await Promise.all(Array.from({ length: 16 }, () => [submit(lane), submit(heavy)]).flat())
    await stage.clock.settle()
    const firstTwelve = order.slice(0, 12)
    const ofHeavy = firstTwelve.filter((each) => each === heavy).length
    expect(ofHeavy).toBeGreaterThanOrEqual(8)
    expect(ofHeavy).toBeLessThanOrEqual(10)
  })
})

describe('stopping', () => {
  it('answers who waits, and refuses who comes', async () => {
    const engine = await openScheduler()
    const waiters = [1, 2].map(() => beginClaim(stage, engine))
    await stage.clock.settle()
    await engine.stop()
    expect(waiters.map(({ answer }) => answer)).toEqual([{ outcome: 'empty' }, { outcome: 'empty' }])
    await expect(engine.backend.leases.claim(stage.aClaim())).rejects.toMatchObject({
      code: 'shutting_down',
    })
    expect(stage.clock.pending).toBe(0)
  })
})
