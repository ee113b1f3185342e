import {
  type ExecutionSubmission,
  engineError,
  must,
  parseKind,
  parseLaneId,
  parseNamespace,
  type SubmitExecutions,
  type SubmitExecutionsResult,
} from '@flowfabric/core'
import type { Engine } from '@flowfabric/engine'
import { afterEach, describe, expect, it } from 'vitest'
import { kind, lane, namespace, openStage, type Stage } from './stage.js'
import { beginClaim, claimedIn, type Waiter } from './waiters.js'

let stage: Stage
let engine: Engine
/** What the store was asked to submit, and the claims that went along. */
let sent: SubmitExecutions[]

afterEach(() => stage.close())

/** An engine without scanners, so that all calls are the scheduler's. */
async function open(options: { readonly claimTriesMax?: number } = {}): Promise<void> {
  stage = openStage({ partitionCount: 2 })
  engine = stage.openEngine({ scanners: [], ...options })
  await engine.start()
  sent = []
  stage.disturb = noteSubmits
}

function noteSubmits(operation: string, params: unknown): void {
  if (operation === 'executions.submit') sent.push(params as SubmitExecutions)
}

async function wait(...traits: Parameters<typeof beginClaim>[2][]): Promise<Waiter[]> {
  const waiters: Waiter[] = []
  for (const each of traits) {
    waiters.push(beginClaim(stage, engine, each))
    await stage.clock.settle()
  }
  stage.forgetCalls()
  return waiters
}

/** Past the engine; what its hint set off comes to rest, and is forgotten. */
async function setState(state: 'active' | 'paused'): Promise<void> {
  await stage.model.lanes.setState({ namespace, lane, state })
  await stage.clock.settle()
  stage.forgetCalls()
}

const submit = (...items: ExecutionSubmission[]) => engine.backend.executions.submit({ namespace, items })
const claims = () => stage.calls.get('leases.claim') ?? 0
const carried = () => sent.map(({ next }) => next?.claimId)

/** Holds back the answers of an operation until they are let go, one by one, in order. */
function holdAnswers(of: string): { readonly held: number; letGo(error?: Error): Promise<void> } {
  const held: ((error?: Error) => void)[] = []
  stage.disturbAnswer = (operation) =>
    operation === of
      ? new Promise((resolve, reject) =>
          held.push((error) => (error === undefined ? resolve() : reject(error))),
        )
      : undefined
  return {
    get held() {
      return held.length
    },
    async letGo(error) {
      must(held.shift(), 'an answer that is held back')(error)
      await stage.clock.settle()
    },
  }
}

/** Notes what a submit comes to. */
function begin(...items: ExecutionSubmission[]): { answer?: SubmitExecutionsResult; error?: unknown } {
  const begun: { answer?: SubmitExecutionsResult; error?: unknown } = {}
  submit(...items).then(
    (answer) => Object.assign(begun, { answer }),
    (error: unknown) => Object.assign(begun, { error }),
  )
  return begun
}

const away = () => engineError('store_unreachable', 'away')

function leasedIds({ answer }: Waiter): readonly string[] {
  return answer?.outcome === 'claimed' ? answer.leases.map(({ executionId }) => executionId) : []
}

describe('a submit of what a claim waits for', () => {
  it('answers that claim by itself, and tells the submitter of no lease', async () => {
    await open()
    const [waiter] = await wait({})
    const item = stage.anItem()
    const answer = await submit(item)
    await stage.clock.settle()
    expect(answer).toEqual({ items: [{ outcome: 'accepted', id: item.id }], claimed: [] })
    expect(leasedIds(must(waiter, 'the claim'))).toEqual([item.id])
    expect(Object.fromEntries(stage.calls)).toEqual({ 'executions.submit': 1 })
    expect(engine.health().claimsWaiting).toBe(0)
    await stage.clock.advance(30_000)
    expect(claims()).toBe(0)
    expect(engine.metrics.read('claim_tries_total', { cause: 'submission', outcome: 'claimed' })).toBe(1)
  })

  it('takes the claim along as it came, but for its wait', async () => {
    await open()
    const [waiter] = await wait({ capabilities: ['gpu'], max: 7, leaseTtlMs: 12_345 })
    await submit(stage.anItem({ capabilities: ['gpu'] }))
    expect(sent.map(({ next }) => next)).toEqual([{ ...waiter?.request, waitMs: 0 }])
  })

  it('takes along the one that has waited longest', async () => {
    await open()
    const [first, second] = await wait({}, {})
    await submit(stage.anItem())
    await stage.clock.settle()
    expect(carried()).toEqual([first?.request.claimId])
    expect([claimedIn([first!]), claimedIn([second!])]).toEqual([1, 0])
    expect(engine.health().claimsWaiting).toBe(1)
  })

  it('takes along as many claims as there are submits at once', async () => {
    await open()
    const waiters = await wait({}, {}, {})
    const items = [stage.anItem(), stage.anItem()]
    const answers = await Promise.all(items.map((item) => submit(item)))
    await stage.clock.settle()
    expect(answers.flatMap(({ items, claimed }) => [items[0]?.outcome, claimed])).toEqual([
      'accepted',
      [],
      'accepted',
      [],
    ])
    expect(carried()).toEqual(waiters.slice(0, 2).map(({ request }) => request.claimId))
    expect(waiters.flatMap(leasedIds)).toEqual(items.map(({ id }) => id))
  })

  it('gives a claim for many what of a batch it may have', async () => {
    await open()
    const [waiter] = await wait({ max: 10 })
    const items = Array.from({ length: 16 }, () => stage.anItem())
    await submit(...items)
    await stage.clock.settle()
    expect(claims()).toBe(0)
    expect(leasedIds(waiter!)).toEqual(items.slice(0, 10).map(({ id }) => id))
  })

  it('takes the claim along for the one item of a batch that it serves', async () => {
    await open()
    const [waiter] = await wait({})
    const [delayed, bad, strange, good] = [
      stage.anItem({ delayMs: 5_000 }),
      stage.anItem({ priority: -1 }),
      stage.anItem({ kind: parseKind('other') }),
      stage.anItem(),
    ]
    const { items } = await submit(delayed!, bad!, strange!, good!)
    await stage.clock.settle()
    expect(items.map(({ outcome }) => outcome)).toEqual(['accepted', 'error', 'accepted', 'accepted'])
    expect(carried()).toEqual([waiter?.request.claimId])
    expect(leasedIds(waiter!)).toEqual([good?.id])
  })

  it('that has a claim of its own keeps it, and is answered what that one got', async () => {
    await open()
    const [waiter] = await wait({})
    const next = stage.aClaim({ waitMs: 0 })
    const item = stage.anItem()
    const { claimed } = await engine.backend.executions.submit({ namespace, items: [item], next })
    await stage.clock.settle()
    expect(carried()).toEqual([next.claimId])
    expect(claimed.map(({ executionId }) => executionId)).toEqual([item.id])
    expect(waiter?.answer).toBeUndefined()
  })

  it('lets the claim wait on when it got nothing', async () => {
    await open()
    const [waiter] = await wait({})
    const item = stage.anItem()
    await setState('paused')
    await submit(item)
    await stage.clock.settle()
    expect(carried()).toEqual([waiter?.request.claimId])
    expect(waiter?.answer).toBeUndefined()
    expect(engine.health().claimsWaiting).toBe(1)
    await setState('active')
    await stage.clock.advance(2_000)
    expect(leasedIds(waiter!)).toEqual([item.id])
  })
})

describe('a claim is not taken along', () => {
  it.each<[string, Partial<ExecutionSubmission>]>([
    ['of another kind', { kind: parseKind('other') }],
    ['on another lane', { lane: parseLaneId('other') }],
    ['that needs more than its worker can do', { capabilities: ['gpu', 'arm'] }],
    ['that is delayed', { delayMs: 1 }],
    ['with a start time', { startAtMs: 2_000_000_000_000 }],
    ['that is refused', { priority: -1 }],
  ])('by a submit of work %s', async (_, traits) => {
    await open()
    const [waiter] = await wait({ capabilities: ['gpu'] })
    await submit(stage.anItem(traits))
    await stage.clock.settle()
    expect(carried()).toEqual([undefined])
    expect(waiter?.answer).toBeUndefined()
    expect(engine.health().claimsWaiting).toBe(1)
  })

  it('by a submit in another namespace', async () => {
    await open()
    const [waiter] = await wait({})
    const elsewhere = parseNamespace('elsewhere')
    await engine.backend.executions.submit({ namespace: elsewhere, items: [stage.anItem()] })
    await stage.clock.settle()
    expect(carried()).toEqual([undefined])
    expect(waiter?.answer).toBeUndefined()
  })

  it('by a batch that is too long for one statement, and is found by its hint', async () => {
    await open()
    const [waiter] = await wait({ max: 20 })
    const items = Array.from({ length: 17 }, () => stage.anItem())
    await submit(...items)
    await stage.clock.settle()
    expect(carried()).toEqual([undefined])
    expect(claims()).toBe(1)
    expect(claimedIn([waiter!])).toBe(17)
  })

  it('when it has no wait', async () => {
    await open()
    await wait({ waitMs: 0 })
    await submit(stage.anItem())
    expect(carried()).toEqual([undefined])
  })

  it('before the engine has started, when nobody knows the partitions', async () => {
    stage = openStage({ partitionCount: 2 })
    engine = stage.openEngine({ scanners: [] })
    sent = []
    stage.disturb = noteSubmits
    const [waiter] = await wait({})
    const item = stage.anItem()
    await submit(item)
    await stage.clock.settle()
    expect(carried()).toEqual([undefined])
    expect(leasedIds(waiter!)).toEqual([item.id])
  })

  it('while as many claims are tried as may be', async () => {
    await open({ claimTriesMax: 1 })
    const waiters = await wait({}, {})
    const answers = holdAnswers('executions.submit')
    const items = [stage.anItem(), stage.anItem()]
    for (const item of items) begin(item)
    await stage.clock.settle()
    expect(carried()).toEqual([waiters[0]?.request.claimId, undefined])
    await answers.letGo()
    await answers.letGo()
    expect(waiters.flatMap(leasedIds)).toEqual(items.map(({ id }) => id))
  })

  it('by two submits at once: what the second one brings waits for the next claim', async () => {
    await open()
    const [waiter] = await wait({})
    const items = [stage.anItem(), stage.anItem()]
    await Promise.all(items.map((item) => submit(item)))
    await stage.clock.settle()
    expect(carried()).toEqual([waiter?.request.claimId, undefined])
    expect(leasedIds(waiter!)).toEqual([items[0]?.id])
    const [later] = await wait({})
    expect(leasedIds(later!)).toEqual([items[1]?.id])
  })

  it('by two submits at once: the hint of the second finds it when the first had nothing for it', async () => {
    await open()
    const [waiter] = await wait({})
    const taken = stage.anItem()
    await stage.model.executions.submit({ namespace, items: [{ ...taken, kind: parseKind('other') }] })
    await stage.clock.settle()
    stage.forgetCalls()
    const answers = holdAnswers('executions.submit')
    const refused = begin(taken)
    await stage.clock.settle()
    const item = stage.anItem()
    begin(item)
    await stage.clock.settle()
    expect(carried()).toEqual([waiter?.request.claimId, undefined])
    expect([answers.held, claims()]).toEqual([2, 0])
    await answers.letGo()
    expect(refused.answer?.items).toEqual([{ outcome: 'execution_conflict' }])
    // The answer that came was older than what the hint said.
    expect(claims()).toBe(1)
    expect(leasedIds(waiter!)).toEqual([item.id])
    await answers.letGo()
  })
})

describe('a submit that fails while it takes a claim along', () => {
  it('rejects with the store’s error, and the claim asks by itself and waits on', async () => {
    await open()
    const [waiter] = await wait({})
    stage.disturb = (operation, params) => {
      noteSubmits(operation, params)
      if (operation === 'executions.submit') throw away()
    }
    await expect(submit(stage.anItem())).rejects.toMatchObject({ code: 'store_unreachable' })
    await stage.clock.settle()
    expect(carried()).toEqual([waiter?.request.claimId])
    expect(claims()).toBe(1)
    expect([waiter?.answer, waiter?.error]).toEqual([undefined, undefined])
    stage.disturb = undefined
    const item = stage.anItem()
    await submit(item)
    await stage.clock.settle()
    expect(leasedIds(waiter!)).toEqual([item.id])
  })

  it('because the store is away: the claim is refused with the store’s error too, for its worker to repeat', async () => {
    await open()
    const [waiter, other] = await wait({}, {})
    stage.disturb = () => {
      throw away()
    }
    await expect(submit(stage.anItem())).rejects.toMatchObject({ code: 'store_unreachable' })
    await stage.clock.settle()
    expect(waiter?.error).toMatchObject({ code: 'store_unreachable' })
    expect([other?.answer, other?.error]).toEqual([undefined, undefined])
    expect(engine.health().claimsWaiting).toBe(1)
  })

  it('after it was carried out: the claim asks with its own id and gets what is its own', async () => {
    await open()
    const [waiter] = await wait({})
    const answers = holdAnswers('executions.submit')
    const item = stage.anItem()
    const begun = begin(item)
    await stage.clock.settle()
    const asked: unknown[] = []
    stage.disturb = (operation, params) => {
      if (operation === 'leases.claim') asked.push((params as { claimId: string }).claimId)
    }
    await answers.letGo(away())
    expect(begun.error).toMatchObject({ code: 'store_unreachable' })
    expect(asked).toEqual([waiter?.request.claimId])
    expect(leasedIds(waiter!)).toEqual([item.id])
    const { execution } = await stage.model.executions.get({ namespace, id: item.id })
    expect(execution).toMatchObject({ publicState: 'active', epoch: 1 })
    expect(execution.lease?.instanceId).toBe(waiter?.request.instanceId)
  })

  it.each([1, 10])(
    'after it was carried out, two at once: each claim of up to %i gets its own',
    async (max) => {
      await open()
      const waiters = await wait({ max }, { max })
      const items = [stage.anItem(), stage.anItem()]
      stage.disturbAnswer = (operation) => {
        if (operation === 'executions.submit') throw away()
      }
      const begun = items.map((item) => begin(item))
      await stage.clock.settle()
      expect(begun.map(({ error }) => (error as { code?: string }).code)).toEqual(
        Array(2).fill('store_unreachable'),
      )
      expect(carried()).toEqual(waiters.map(({ request }) => request.claimId))
      await stage.clock.advance(5_000)
      expect(waiters.map(leasedIds)).toEqual(items.map(({ id }) => [id]))
    },
  )

  it('after it was carried out: its claim gets its own, also behind one that has waited longer', async () => {
    await open()
    const [older, younger] = await wait({}, {})
    const answers = holdAnswers('executions.submit')
    // The first finds its lane paused, so that its claim goes on waiting.
    await setState('paused')
    const first = stage.anItem()
    begin(first)
    await stage.clock.settle()
    await stage.model.executions.cancel({ namespace, id: first.id })
    await setState('active')
    const second = stage.anItem()
    begin(second)
    await stage.clock.settle()
    expect(carried()).toEqual([older?.request.claimId, younger?.request.claimId])
    await answers.letGo()
    await answers.letGo(away())
    await stage.clock.advance(5_000)
    expect(leasedIds(younger!)).toEqual([second.id])
    expect(older?.answer).toBeUndefined()
  })

  it.each<[string, SubmitExecutions, string]>([
    ['no namespace', { namespace: 'a b' as never, items: [] }, 'invalid_namespace'],
    [
      'too many items',
      { namespace, items: Array.from({ length: 1_001 }, () => ({ kind, lane }) as never) },
      'batch_too_large',
    ],
    ['items that are no list', { namespace, items: 'x' as never }, 'invalid_params'],
  ])('because it has %s: the claim waits on', async (_, params, code) => {
    await open()
    const [waiter] = await wait({})
    await expect(engine.backend.executions.submit(params)).rejects.toMatchObject({ code })
    await stage.clock.settle()
    expect(stage.totalCalls()).toBe(0)
    expect([waiter?.answer, waiter?.error]).toEqual([undefined, undefined])
    const item = stage.anItem()
    await submit(item)
    await stage.clock.settle()
    expect(leasedIds(waiter!)).toEqual([item.id])
  })
})

/** The ways in which a claim's time may be over while it is under way. */
const ends: readonly (readonly [string, (gone: AbortController) => Promise<unknown>])[] = [
  [
    'its caller went away',
    async (gone) => {
      gone.abort()
      await stage.clock.settle()
    },
  ],
  ['its time was over', () => stage.clock.advance(30_000)],
  ['the engine was stopped', () => engine.stop({ graceMs: 0 })],
]

describe('a claim that ended while a submit took it along', () => {
  async function endUnderWay(
    end: (gone: AbortController) => Promise<unknown>,
    laneState: 'active' | 'paused',
  ) {
    await open()
    const gone = new AbortController()
    const [waiter] = await wait({ signal: gone.signal, leaseTtlMs: 600_000 })
    await setState(laneState)
    const answers = holdAnswers('executions.submit')
    const item = stage.anItem()
    const begun = begin(item)
    await stage.clock.settle()
    expect(carried()).toEqual([waiter?.request.claimId])
    await end(gone)
    expect([waiter?.answer, begun.answer]).toEqual([undefined, undefined])
    return { waiter: waiter!, answers, begun, item }
  }

  it.each(ends)('because %s answers what it got', async (_, end) => {
    const { waiter, answers, begun, item } = await endUnderWay(end, 'active')
    await answers.letGo()
    expect(begun.answer).toEqual({ items: [{ outcome: 'accepted', id: item.id }], claimed: [] })
    expect(leasedIds(waiter)).toEqual([item.id])
    expect([engine.health().claimsWaiting, claims()]).toEqual([0, 0])
  })

  it.each(ends)('because %s answers that it got nothing', async (_, end) => {
    const { waiter, answers, begun, item } = await endUnderWay(end, 'paused')
    await answers.letGo()
    expect(begun.answer).toEqual({ items: [{ outcome: 'accepted', id: item.id }], claimed: [] })
    expect(waiter.answer).toEqual({ outcome: 'empty' })
    expect([engine.health().claimsWaiting, claims()]).toEqual([0, 0])
  })

  it.each(ends)('because %s is not answered with nothing when what it got is unknown', async (_, end) => {
    const { waiter, answers, begun, item } = await endUnderWay(end, 'active')
    await answers.letGo(away())
    await stage.clock.advance(5_000)
    expect(begun.error).toMatchObject({ code: 'store_unreachable' })
    expect(await stage.stateOf(item.id)).toBe('active')
    // A worker that is told so asks under another id, and what it was handed stays with nobody until the lease expires.
    expect(waiter.answer).not.toEqual({ outcome: 'empty' })
    expect(leasedIds(waiter).length === 1 || waiter.error !== undefined).toBe(true)
  })
})
