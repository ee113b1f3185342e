import { decodeHandle, mintUuid, must, parseNamespace, partitionIndexOf } from '@flowfabric/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { leaseOf, originOf } from '../../../packages/backend-valkey/src/admission/resource-names.js'
import { library } from '../../../packages/backend-valkey/src/generated/library.js'
import { pack, unpack } from '../../../packages/backend-valkey/src/records/packing.js'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { createTestBackend, type TestBackend, type ValkeyInside } from '../../support/backends.js'
import { bytesOf } from '../../support/builders.js'
import { allEvents } from '../../support/listing.js'
import { OperationDriver } from '../../support/operation-driver.js'
import { inNamespace, type TestStore } from '../../support/use-store.js'

let opened: TestBackend
let store: TestStore
let driver: AdmissionDriver
beforeEach(async () => {
  opened = await createTestBackend({ name: 'valkey' })
  store = inNamespace(opened, parseNamespace('died'))
  driver = new AdmissionDriver(store)
})
afterEach(() => opened.close())

function inside(): ValkeyInside {
  if (!('send' in opened.inside)) throw new Error('not a Valkey store')
  return opened.inside
}

/** One step of what a process does in several: it dies after it. */
async function call(name: string, tag: string, args: readonly unknown[]): Promise<readonly unknown[]> {
  const { keyPrefix, send } = inside()
  const packed = pack([[64, 64, 512, 7, 0, '0', 'abcdefgh'], args])
  const key = `${keyPrefix}:idx:{${tag}}:meta`
  const [reply] = (await send('FCALL', `${library.prefix}${name}`, 1, key, packed)) as Buffer[]
  const [told] = unpack(reply ?? Buffer.alloc(0), 'the answer') as readonly [readonly unknown[]]
  return told
}

/** What a new claimer is offered in a partition, where it is one line. */
async function takeOffer(tag: string) {
  const { keyPrefix, send } = inside()
  const rids = (await send('HKEYS', `${keyPrefix}:idx:{${tag}}:routes`)) as Buffer[]
  const base = mintUuid().slice(0, 24)
  const lanes = [[`${store.namespace}/solos`, 0, 0, 0, 0, rids.map(String)]]
  const [instance, claimId] = [mintUuid(), mintUuid()]
  await call('leases_held', tag, [instance, claimId, true, false])
  const claim = [instance, 'worker', claimId, 30_000, 1, base, false, lanes, 1_000_000]
  const told = await call('work_work', tag, [[], [], [], [], [claim], false, []])
  const [offer] = told[4] as readonly [number, string, string, string, unknown, readonly [string, number][]][]
  const [, line, , , , items] = must(offer, 'an offer')
  return { line, base, claim, items }
}

describe('a claimer that died', () => {
  it.each([
    ['with an offer', false],
    ['with an offer, and what it took', true],
  ])('%s keeps its line waiting for ten seconds, and nothing longer', async (_, takes) => {
    const quotaId = await driver.quota({ concurrency: 1 })
    const id = await driver.submitQuota()
    const tag = `fp:${partitionIndexOf(id)}`
    const { line, base, claim, items } = await takeOffer(tag)
    expect(items).toHaveLength(1)
    const number = items[0]?.[1] ?? 0
    const lease = leaseOf(base, number)
    if (takes)
      await call('quotas_reserve', 'q:0', [
        quotaId,
        '',
        `${tag}|${line}`,
        base,
        originOf(tag, base),
        id.slice(-36),
        [[number, 1, true]],
      ])
    expect(await driver.claimIds()).toEqual([])
    expect(await driver.readQuota()).toMatchObject({ held: takes ? 1 : 0 })
    await store.pass(9_999)
    expect(await driver.claimIds()).toEqual([])
    await store.pass(1)
    expect(await driver.readQuota()).toMatchObject({ held: 0 })
    expect(await driver.claimIds()).toEqual([id])
    expect(await driver.readQuota()).toMatchObject({ held: 1 })
    // What comes of it late is not leased any more.
    const late = [line, base, claim.slice(0, 4), [[id.slice(-36), lease]], [], [], []]
    expect((await call('leases_admit', tag, late))[0]).toEqual([false])
    // What is held is held for good, once its execution was looked at.
    await store.pass(15_000)
    expect(await driver.readQuota()).toMatchObject({ held: 1 })
  })
})

describe('a claimer that sends again what it was granted', () => {
  it('is told all that goes with the lease once more', async () => {
    const quotaId = await driver.quota({ concurrency: 1 })
    const id = await driver.submitQuota(undefined, { input: bytesOf('x'.repeat(600)) })
    const tag = `fp:${partitionIndexOf(id)}`
    const { handle } = await driver.worker.claimOne()
    await driver.worker.step(handle, 'paid', 'once')
    await store.pass(31_000)
    const { line, base, claim, items } = await takeOffer(tag)
    const number = items[0]?.[1] ?? 0
    const holder = [[number, 1, true]]
    const reserved = [quotaId, '', `${tag}|${line}`, base, originOf(tag, base), id.slice(-36), holder]
    await call('quotas_reserve', 'q:0', reserved)
    const granted = [[id.slice(-36), leaseOf(base, number)]]
    const admit = () => call('leases_admit', tag, [line, base, claim.slice(0, 4), granted, [], [], []])
    const [leased, handed] = await admit()
    expect(leased).toEqual([true])
    const [[, , inputPlace, , , steps] = []] = handed as readonly unknown[][]
    expect(inputPlace).toBeGreaterThan(0)
    expect(steps).toHaveLength(1)
    expect(await admit()).toEqual([leased, handed, false])
  })
})

describe('a process that died before it gave back what its ends held', () => {
  it('is stood in for a second later', async () => {
    await driver.quota({ concurrency: 4 })
    for (let nth = 0; nth < 4; nth += 1) await driver.submitQuota()
    const claimed = await driver.claimAll()
    const [first] = claimed
    const tag = `fp:${partitionIndexOf(must(first, 'a lease').executionId)}`
    const ends = claimed.map(({ handle }) => {
      const { executionId, attemptIndex, leaseId, epoch } = decodeHandle(handle)
      return [executionId.slice(-36), attemptIndex, leaseId, epoch, 1, 'c', '', 0, 0, 0]
    })
    const told = await call('work_work', tag, [[[store.namespace]], ends, [], [], [], true, []])
    const messages = told[5] as readonly [string, readonly unknown[]][]
    // One message for all of the line.
    expect(messages).toHaveLength(1)
    expect(await driver.readQuota()).toMatchObject({ held: 4 })
    await store.pass(999)
    expect(await driver.readQuota()).toMatchObject({ held: 4 })
    await store.pass(1)
    expect(await driver.readQuota()).toMatchObject({ held: 0 })
  })

  it('has said with its next call what it gave back', async () => {
    const quotaId = await driver.quota({ concurrency: 4 })
    const id = await driver.submitQuota()
    const tag = `fp:${partitionIndexOf(id)}`
    const { keyPrefix, send } = inside()
    const { executionId, attemptIndex, leaseId, epoch } = decodeHandle(
      (await driver.worker.claimOne()).handle,
    )
    const end = [executionId.slice(-36), attemptIndex, leaseId, epoch, 1, 'c', '', 0, 0, 0]
    const told = await call('work_work', tag, [[[store.namespace]], [end], [], [], [], true, []])
    const [[entry] = ['']] = told[5] as readonly [string, readonly unknown[]][]
    await call('work_work', tag, [[], [], [], [], [], true, [entry]])
    expect(await send('HLEN', `${keyPrefix}:idx:{${tag}}:outbox`)).toBe(0)
    await call('admission_give_back', 'q:0', [
      [
        [
          `q/${quotaId}/`,
          [[originOf(tag, leaseId.slice(0, 24)), false, [id.slice(-36), numberOf(leaseId)]]],
          [],
        ],
      ],
    ])
    expect(await driver.readQuota()).toMatchObject({ held: 0 })
  })
})

const numberOf = (lease: string) => Number.parseInt(lease.slice(24), 16)

describe('a reporter that died', () => {
  const changes = async () => {
    for (const partition of store.partitions) await store.backend.maintenance.upkeep({ partition, max: 500 })
    const events = await allEvents(store.backend, store.namespace)
    return events.flatMap((event) => (event.type === 'budget' ? [event.change] : []))
  }

  it('with a breach leaves one job and one event, a second later, whoever dies on the way', async () => {
    const budgetId = await driver.budget(10, { onHardBreach: 'cancel_pending' })
    const id = await driver.submitBudget(2)
    const { handle } = await driver.worker.claimOne()
    const charge = [budgetId, store.namespace, id, 'a lease', 'a', ['tokens', 11]]
    const [, left] = (await call('budgets_report', 'b:0', [[charge], 1_000_000])) as [unknown, string[]]
    expect(left).toHaveLength(1)
    await store.pass(999)
    expect(await OperationDriver.all(store)).toEqual([])
    expect(await changes()).toEqual([])
    await store.pass(1)
    const work = { kind: 'budget_breach', budgetId, rule: 'cancel_pending' }
    const [job] = await OperationDriver.all(store)
    expect(await job?.read()).toMatchObject({ work, state: 'running' })
    expect(await changes()).toEqual(['hard_breach'])
    // As one leaves it that made the job and told the feed, and died before it took the entry out.
    const { keyPrefix, send } = inside()
    await send('ZADD', `${keyPrefix}:idx:{b:0}:announcements`, await store.nowMs(), left[0] ?? '')
    await store.pass(1_000)
    expect(await OperationDriver.all(store)).toHaveLength(1)
    expect(await changes()).toEqual(['hard_breach'])
    expect(await driver.spend(handle, 11, 'a')).toEqual({ outcome: 'duplicate' })
  })
})
