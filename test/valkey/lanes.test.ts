import {
  type ClaimedExecution,
  type ClaimRequest,
  type ExecutionSubmission,
  type FoundationBackend,
  mintClaimId,
  mintExecutionId,
  mintInstanceId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
  quotaPartition,
} from '@flowfabric/core'
import { Redis } from 'iovalkey'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ValkeyContext } from '../../packages/backend-valkey/src/context.js'
import { changeLane } from '../../packages/backend-valkey/src/lanes/change-lane.js'
import { createCredits } from '../../packages/backend-valkey/src/lanes/credits.js'
import { createContext, createValkeyBackend } from '../../packages/backend-valkey/src/valkey-backend.js'
import { createTestValkey } from '../support/servers/test-valkey.js'

const counts = { flow: 4, budget: 1, quota: 2 }
const namespace = parseNamespace('lanes')
const lane = parseLaneId('capped')
const kind = parseKind('work')

/** Several processes on one store. */
async function openStore() {
  const { url, drop } = await createTestValkey()
  onTestFinished(() => drop())
  const processes: FoundationBackend[] = []
  const open = () => {
    const backend = createValkeyBackend({ url, partitions: counts })
    processes.push(backend)
    return backend
  }
  onTestFinished(async () => {
    await Promise.all(processes.map((each) => each.maintenance.close()))
  })
  const backend = open()
  await backend.maintenance.prepare()
  return { url, open, backend }
}

/** A solo execution in that partition: whoever submits may choose where it lives. */
function soloIn(partition: number): ExecutionSubmission {
  return { id: mintExecutionId(partition), kind, lane, input: null }
}

async function submit(backend: FoundationBackend, partitions: readonly number[]): Promise<void> {
  const items = partitions.map(soloIn)
  const answer = await backend.executions.submit({ namespace, items })
  expect(answer.items.map(({ outcome }) => outcome)).toEqual(items.map(() => 'accepted'))
}

async function claim(
  backend: FoundationBackend,
  more: Partial<ClaimRequest> = {},
): Promise<readonly ClaimedExecution[]> {
  const answer = await backend.leases.claim({
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId: mintInstanceId(),
    namespaces: [namespace],
    lanes: [lane],
    kinds: [kind],
    capabilities: [],
    max: 64,
    leaseTtlMs: 60_000,
    ...more,
  })
  return answer.outcome === 'claimed' ? answer.leases : []
}

async function complete(backend: FoundationBackend, lease: ClaimedExecution | undefined): Promise<void> {
  const items = [{ handle: lease?.handle ?? '', result: null }]
  const answer = await backend.leases.complete({ namespaces: [namespace], items })
  expect(answer.items[0]?.outcome).toBe('completed')
}

const cap = (backend: FoundationBackend, concurrency: number | null) =>
  backend.lanes.configure({ namespace, lane, settings: { concurrency } })

describe('a cap over all partitions', () => {
  it('holds for claims of different processes in different partitions', async () => {
    const { backend: one, open } = await openStore()
    const two = open()
    await submit(one, [0, 1, 2, 3, 0, 1, 2, 3])
    await cap(one, 3)
    const first = await claim(one)
    expect(first).toHaveLength(3)
    expect(await claim(two)).toEqual([])
    await complete(one, first[0])
    const next = await claim(two)
    expect(next).toHaveLength(1)
    expect(await claim(one)).toEqual([])
    for (const lease of [...first.slice(1), ...next]) await complete(one, lease)
    expect(await claim(two)).toHaveLength(3)
  })

  it('counts what runs already when it is set or lowered, and starts nothing before that is over', async () => {
    const { backend } = await openStore()
    await submit(backend, [0, 1, 2, 3, 0])
    const running = await claim(backend)
    expect(running).toHaveLength(5)
    await submit(backend, [0, 1, 2, 3])
    await cap(backend, 4)
    await cap(backend, 2)
    for (const lease of running.slice(0, 3)) {
      expect(await claim(backend)).toEqual([])
      await complete(backend, lease)
    }
    // Two of the first still run, which is all that may.
    expect(await claim(backend)).toEqual([])
    await complete(backend, running[3])
    expect(await claim(backend)).toHaveLength(1)
    await cap(backend, null)
    expect(await claim(backend)).toHaveLength(3)
  })

  it('a slot that was freed in one partition and process wakes a claim that waits in another', async () => {
    const { backend: one, open } = await openStore()
    const two = open()
    await cap(one, 1)
    await submit(one, [0])
    const [running] = await claim(one)
    await submit(two, [3])
    const waiting = claim(two, { waitMs: 20_000 })
    // It has looked, and found the lane full.
    await new Promise((resolve) => setTimeout(resolve, 300))
    const freedAt = performance.now()
    await complete(one, running)
    expect(await waiting).toHaveLength(1)
    expect(performance.now() - freedAt).toBeLessThan(500)
  })

  it('a lane that has no slot yet gets its turn beside one that could fill every claim', async () => {
    const { backend } = await openStore()
    const busy = parseLaneId('busy')
    await cap(backend, 1)
    const items = Array.from({ length: 20 }, () => ({ ...soloIn(0), lane: busy }))
    await backend.executions.submit({ namespace, items })
    await submit(backend, [0])
    const seen: string[] = []
    while (seen.length < 20 && !seen.includes(lane)) {
      const [lease] = await claim(backend, { lanes: [busy, lane], max: 1 })
      seen.push(lease?.lane ?? 'none')
    }
    expect(seen).toContain(lane)
    expect(seen).not.toContain('none')
  })

  it('slots that were lent to a process which died before it used them come back', async () => {
    const { backend, url } = await openStore()
    await cap(backend, 2)
    const { ctx, close } = createContext({ url, partitions: counts })
    onTestFinished(() => close())
    const key = `${namespace}/${lane}`
    const lent = await createCredits(ctx).obtain(key, [{ partition: 0, want: 2, active: 0 }], 0)
    expect(lent.get(0)).toMatchObject({ slots: 2 })
    await submit(backend, [1, 2])
    expect(await claim(backend)).toHaveLength(2)
  })
})

describe('a change of a lane whose caller dies half-way', () => {
  const request = { partition: '{fp:0}' as never, max: 10 }
  const pendingOf = async (backend: FoundationBackend) =>
    (await backend.maintenance.pulse({ partitions: ['{fp:0}' as never] })).partitions[0]?.pending ?? []

  /** Its calls to these partitions never come. */
  async function dieBefore(url: string, isLost: (tag: string, name: string) => boolean): Promise<void> {
    const { ctx, close } = createContext({ url, partitions: counts })
    const invoke: ValkeyContext['invoke'] = (invocation) =>
      isLost(invocation.tag, invocation.name)
        ? Promise.reject(new Error('the process has died'))
        : ctx.invoke(invocation)
    await expect(changeLane({ ...ctx, invoke }, { namespace, lane, state: 'paused' })).rejects.toThrow('died')
    await close()
  }

  it('is shown by the pulse, and finished', async () => {
    const { backend, url } = await openStore()
    await submit(backend, [2])
    expect(await pendingOf(backend)).toEqual([])
    await dieBefore(url, (tag, name) => name === 'lanes_copy' && tag === 'fp:2')
    expect(await pendingOf(backend)).toEqual(['lane_copies'])
    expect((await backend.lanes.syncCopies({ ...request, partition: '{fp:1}' as never })).items).toEqual([])
    expect((await backend.lanes.syncCopies(request)).items).toEqual([{ outcome: 'synced', namespace, lane }])
    expect(await pendingOf(backend)).toEqual([])
    expect(await claim(backend)).toEqual([])
    expect((await backend.lanes.list({ namespace })).lanes).toMatchObject([{ lane, state: 'paused' }])
  })

  it('leaves everything as it was when it died before the change', async () => {
    const { backend, url } = await openStore()
    await submit(backend, [2])
    await dieBefore(url, (_, name) => name === 'lanes_write')
    expect((await backend.lanes.syncCopies(request)).items).toEqual([])
    expect(await claim(backend)).toHaveLength(1)
  })
})

describe('copies of a lane', () => {
  it('take the next change also when a fail-over has set their home back', async () => {
    const { backend, url } = await openStore()
    const client = new Redis(url)
    onTestFinished(() => client.disconnect())
    await submit(backend, [1])
    await backend.lanes.setState({ namespace, lane, state: 'draining' })
    const home = `ff:lane:{q:${quotaPartition(namespace, lane, counts.quota)}}:${namespace}`
    const before = await client.hgetBuffer(home, lane)
    await backend.lanes.setState({ namespace, lane, state: 'paused' })
    await client.hset(home, lane, before ?? '')
    expect(await backend.lanes.setState({ namespace, lane, state: 'disabled' })).toMatchObject({
      previous: 'draining',
    })
    expect(await claim(backend)).toEqual([])
    await backend.lanes.setState({ namespace, lane, state: 'active' })
    expect(await claim(backend)).toHaveLength(1)
  })

  it('pass over an older change that comes late, so that nothing starts in a lane that was paused since', async () => {
    const { backend, url } = await openStore()
    await submit(backend, [2])
    await backend.lanes.setState({ namespace, lane, state: 'paused' })
    const { ctx, close } = createContext({ url, partitions: counts })
    onTestFinished(() => close())
    let send = () => {}
    const isSent = new Promise<void>((resolve) => {
      send = resolve
    })
    let isLate = false
    const invoke: ValkeyContext['invoke'] = async (invocation) => {
      // It dies with the answer to its last copy, and corrects nothing.
      if (isLate) throw new Error('the process has died')
      if (invocation.name === 'lanes_copy' && invocation.tag === 'fp:2') {
        await isSent
        isLate = true
      }
      return ctx.invoke(invocation)
    }
    const late = changeLane({ ...ctx, invoke }, { namespace, lane, state: 'active' })
    await vi.waitUntil(
      async () => (await backend.lanes.list({ namespace })).lanes[0]?.state === 'active',
      10_000,
    )
    await backend.lanes.setState({ namespace, lane, state: 'paused' })
    send()
    await expect(late).rejects.toThrow('died')
    expect(await claim(backend)).toEqual([])
  })

  it('that do not decode stop their lane, and no other', async () => {
    const { backend, url } = await openStore()
    const client = new Redis(url)
    onTestFinished(() => client.disconnect())
    await submit(backend, [1, 2])
    await backend.lanes.configure({ namespace, lane, settings: { weight: 2 } })
    await client.set(`ff:idx:{fp:1}:lane:${namespace}/${lane}`, 'nonsense')
    expect(await claim(backend)).toHaveLength(1)
    expect((await backend.maintenance.pulse({ partitions: ['{fp:1}' as never] })).partitions).toHaveLength(1)
  })
})
