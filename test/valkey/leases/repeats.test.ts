import {
  type ClaimedExecution,
  type ClaimRequest,
  engineError,
  type FoundationBackend,
  mintClaimId,
  mintExecutionId,
  mintInstanceId,
  mintUuid,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { callWork } from '../../../packages/backend-valkey/src/channel/call-work.js'
import { heldByClaim } from '../../../packages/backend-valkey/src/leases/repeats.js'
import type { Invoke } from '../../../packages/backend-valkey/src/library/invoke.js'
import { prepare } from '../../../packages/backend-valkey/src/maintenance/prepare.js'
import { createContext } from '../../../packages/backend-valkey/src/valkey-backend.js'
import { createTestBackend } from '../../support/backends.js'
import { submitOne } from '../../support/builders.js'
import { createTestValkey } from '../../support/servers/test-valkey.js'
import { inNamespace } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

/** A store that two processes serve. */
async function open() {
  const opened = await createTestBackend({ name: 'valkey', partitions: { flow: 4 } })
  onTestFinished(() => opened.close())
  const store = inNamespace(opened, parseNamespace('repeats'))
  return { store, one: opened.backend, two: opened.reopen(), worker: new WorkerDriver(store) }
}

async function claim(
  backend: FoundationBackend,
  request: ClaimRequest,
): Promise<readonly ClaimedExecution[]> {
  const answer = await backend.leases.claim(request)
  return answer.outcome === 'claimed' ? answer.leases : []
}

const handlesOf = (leases: readonly ClaimedExecution[]) => leases.map(({ handle }) => handle)

describe('a claim that goes with a submission', () => {
  it('also gets what its process has not looked for yet', async () => {
    const { store, two, worker } = await open()
    const [elsewhere, own] = [mintExecutionId(0), mintExecutionId(1)]
    await submitOne(store, { id: elsewhere })
    const { namespace } = store
    const { claimed } = await two.executions.submit({
      namespace,
      items: [store.aSolo({ id: own })],
      next: worker.request({ max: 2 }),
    })
    expect(new Set(claimed.map(({ executionId }) => executionId))).toEqual(new Set([elsewhere, own]))
  })
})

describe('a claim that comes again', () => {
  it('is answered the same by another process, which hands out nothing new for it', async () => {
    const { store, one, two, worker } = await open()
    for (let n = 0; n < 4; n += 1) await submitOne(store)
    const request = worker.request({ max: 2 })
    const first = await claim(one, request)
    expect(first).toHaveLength(2)
    expect(handlesOf(await claim(two, request))).toEqual(handlesOf(first))
    expect(handlesOf(await claim(one, request))).toEqual(handlesOf(first))
    expect(await claim(two, worker.request())).toHaveLength(2)
  })

  it('is known to whoever begins to serve the instance, also when another claim came there first', async () => {
    const { store, one, two, worker } = await open()
    for (let n = 0; n < 3; n += 1) await submitOne(store)
    const [a, b] = [worker.request({ max: 1 }), worker.request({ max: 1 })]
    const [leasesOfA, leasesOfB] = [await claim(one, a), await claim(one, b)]
    expect(handlesOf(await claim(two, a))).toEqual(handlesOf(leasesOfA))
    expect(handlesOf(await claim(two, b))).toEqual(handlesOf(leasesOfB))
  })

  it('gets its lease however often the instance goes from one process to the other', async () => {
    const { store, one, two, worker } = await open()
    for (let round = 0; round < 30; round += 1) {
      const id = await submitOne(store)
      const request = worker.request({ claimId: mintClaimId() })
      const [first, second] = round % 2 === 0 ? [one, two] : [two, one]
      const leases = await claim(first, request)
      expect(leases.map(({ executionId }) => executionId)).toEqual([id])
      expect(handlesOf(await claim(second, request))).toEqual(handlesOf(leases))
      await worker.complete(leases[0]?.handle ?? '')
    }
  })

  it('hands out nothing in a process that no longer serves the instance, before that one has asked anew', async () => {
    const { store, one, two, worker } = await open()
    await submitOne(store)
    await claim(one, worker.request())
    const ids = [await submitOne(store), await submitOne(store)]
    // Both at once, again and again: whatever each of them believes, each execution has one lease.
    const requests = ids.map(() => worker.request({ max: 1 }))
    const answers = await Promise.all(
      requests.flatMap((request) => [claim(one, request), claim(two, request), claim(one, request)]),
    )
    const got = new Map(answers.flat().map(({ executionId, handle }) => [executionId, handle]))
    expect([...got.keys()].sort()).toEqual([...ids].sort())
    expect(new Set(answers.flat().map(({ handle }) => handle)).size).toBe(2)
  })

  it('is sent as a repeat when its answer was lost', async () => {
    const { url, drop } = await createTestValkey()
    onTestFinished(() => drop())
    const { ctx, close } = createContext({ url, partitions: { flow: 1, budget: 1, quota: 1 } })
    onTestFinished(() => close())
    await prepare(ctx)
    const route = ctx.catalogue.intern({
      namespace: parseNamespace('ns'),
      lane: parseLaneId('lane'),
      kind: parseKind('work'),
      capabilities: [],
    })
    const submits = Array.from({ length: 4 }, () => ({
      id: mintUuid(),
      route,
      priority: 0,
      startMs: 0,
      delayMs: 0,
      policy: null,
      spec: '',
      hash: '',
      input: null,
    }))
    const instanceId = mintInstanceId()
    await heldByClaim(ctx, { instanceId, claimId: mintClaimId() })
    const lanes = [{ lane: route.laneKey, virtualTime: 0, rids: [route.rid] }]
    const part = {
      instanceId,
      workerId: 'worker',
      claimId: mintClaimId(),
      leaseTtlMs: 30_000,
      max: 2,
      routesVersion: Number.MAX_SAFE_INTEGER,
      lanes,
    }
    let calls = 0
    const losing: Invoke = async (invocation) => {
      const answer = await ctx.invoke(invocation)
      calls += 1
      if (calls === 1) throw engineError('connection_lost', 'lost', {}, { mayHaveCommitted: true })
      return answer
    }
    const others = { ends: [], carried: [], carries: false }
    const replies = await callWork(losing, 'fp:0', { ...others, submits, claims: [part] })
    expect(calls).toBe(2)
    expect(replies.submits.map(({ kind }) => kind)).toEqual(Array(4).fill('taken'))
    expect(Array.isArray(replies.claims) && replies.claims[0]?.handed).toHaveLength(2)
    const again = await callWork(ctx.invoke, 'fp:0', {
      ...others,
      submits: [],
      claims: [{ ...part, max: 9 }],
    })
    expect(Array.isArray(again.claims) && again.claims[0]?.handed).toHaveLength(2)
  })
})
