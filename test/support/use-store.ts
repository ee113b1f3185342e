import {
  type EntryId,
  type ExecutionEvent,
  type ExecutionId,
  type ExecutionSubmission,
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  must,
  type Namespace,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
} from '@flowfabric/core'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { createTestBackend, type TestBackend, type TestBackendOptions } from './backends.js'
import { settle, settleAdmission } from './drive.js'
import type { Faults } from './faults/faults.js'
import { createFaults } from './faults/open.js'
import type { FlowStage } from './flow-driver.js'
import { askReconcilers, findBrokenRules } from './invariants.js'

/** A store as the tests of one `describe` share it, in a namespace of the running test. */
export interface TestStore extends FlowStage {
  readonly opened: TestBackend
  readonly faults: Faults
  /** Whether the test has planted any. */
  hasFaults(): boolean
  nowMs(): Promise<number>
  /** Moves the clock; what became due is still to be applied. */
  advance(byMs: number): Promise<void>
  settle(): Promise<unknown>
  /** Moves the clock and applies what became due. */
  pass(byMs: number): Promise<void>
  /** A solo execution, in a lane of this test. */
  aSolo(more?: Partial<ExecutionSubmission>): ExecutionSubmission
  /** Claims one solo execution and completes it. */
  end(solo: ExecutionSubmission): Promise<void>
  /** The outbox entry about an execution's end; throws when there is none. */
  entryOf(executionId: ExecutionId): Promise<EntryId>
  /** What the feed said of an execution, in order. */
  eventsOf(executionId: ExecutionId): Promise<ExecutionEvent[]>
  /** Every record is in the indexes that its state demands, and in no other. */
  expectNoIndexFindings(): Promise<void>
}

let namespaceCount = 0

/** The nets look at everything in a store, what earlier tests left included: after each test that would be most of its time. */
const testsPerNet = 8

/**
 * Opens one store for the tests of a `describe`; each of them gets a namespace of its own. With `faulty` they break
 * records themselves, so that no invariant can be asked for.
 */
export function useStore(
  options: TestBackendOptions = {},
  { faulty = false }: { readonly faulty?: boolean } = {},
): () => TestStore {
  let opened: TestBackend | undefined
  let store: TestStore | undefined
  let since: string | undefined
  let unasked: Namespace[] = []
  const askNets = async () => {
    if (opened === undefined || unasked.length === 0) return
    const namespaces = unasked
    unasked = []
    expect(await askReconcilers(opened, namespaces), `by the nets, in ${namespaces}`).toEqual([])
  }
  beforeAll(async () => {
    opened = await createTestBackend(options)
  })
  beforeEach(async () => {
    namespaceCount += 1
    const { backend } = must(opened, 'an open store')
    store = inNamespace(must(opened, 'an open store'), parseNamespace(`test-${namespaceCount}`))
    if (!faulty) since = (await backend.events.read({ namespace: store.namespace, from: 'now' })).cursor
  })
  afterEach(async () => {
    if (store === undefined || faulty) return
    const hasFaults = store.hasFaults()
    expect(await findBrokenRules({ ...store, hasFaults, since })).toEqual([])
    if (!hasFaults) unasked.push(store.namespace)
    if (unasked.length === testsPerNet) await askNets()
  })
  afterAll(async () => {
    try {
      await askNets()
    } finally {
      await opened?.close()
    }
  })
  return () => must(store, 'a store; call it in a test')
}

/** Speaks to an open store in one namespace. */
export function inNamespace(opened: TestBackend, namespace: Namespace): TestStore {
  const { backend, partitions } = opened
  let isFaulty = false
  const faults = watchFaults(createFaults(opened), () => {
    isFaulty = true
  })
  const lane = parseLaneId('solos')
  const settleAll = async () => {
    await settle(backend, partitions)
    await settleAdmission(backend, opened.partitionCounts)
  }
  return {
    opened,
    backend,
    partitions,
    namespace,
    faults,
    hasFaults: () => isFaulty,
    nowMs: () => backend.maintenance.serverTimeMs(),
    advance: async (byMs) => {
      await backend.maintenance.advanceTime({ byMs })
    },
    settle: settleAll,
    pass: async (byMs) => {
      await backend.maintenance.advanceTime({ byMs })
      await settleAll()
    },

    aSolo: (more = {}) => ({
      id: mintSoloExecutionId({ namespace, lane: more.lane ?? lane, shards: 1, count: partitions.length }),
      kind: parseKind('work'),
      lane,
      input: null,
      ...more,
    }),

    end: async (solo) => {
      const claimed = await backend.leases.claim({
        claimId: mintClaimId(),
        workerId: parseWorkerId('driver'),
        instanceId: mintInstanceId(),
        namespaces: [namespace],
        lanes: [solo.lane],
        kinds: [solo.kind],
        capabilities: [...(solo.capabilities ?? [])],
        max: 1,
        leaseTtlMs: 60_000,
      })
      const lease = claimed.outcome === 'claimed' ? claimed.leases[0] : undefined
      if (lease?.executionId !== solo.id) throw new Error(`claimed ${lease?.executionId}, not ${solo.id}`)
      const items = [{ handle: lease.handle, result: null }]
      const answer = await backend.leases.complete({ namespaces: [namespace], items })
      expect(answer.items[0]?.outcome).toBe('completed')
    },

    entryOf: async (executionId) => {
      const entry = (await faults.outbox()).find((each) => each.executionId === executionId)
      return must(entry, `an outbox entry of ${executionId}`).entryId
    },

    eventsOf: async (executionId) => {
      // Some stores number their events after the fact.
      for (const partition of partitions) await backend.maintenance.upkeep({ partition, max: 500 })
      const events: ExecutionEvent[] = []
      let cursor: string | undefined
      for (;;) {
        const page = await backend.events.read({ namespace, cursor, filter: { executionId }, limit: 1_000 })
        if (page.cursor === cursor) return events
        for (const event of page.events) if (event.type === 'execution') events.push(event)
        cursor = page.cursor
      }
    },

    expectNoIndexFindings: async () => {
      for (const partition of partitions) {
        const { items } = await backend.maintenance.reconcileIndexes({ partition, max: 500 })
        expect(items).toEqual([])
      }
    },
  }
}

/** Looking into the store is no fault; all else that the hooks do is one. */
function watchFaults(faults: Faults, onPlanted: () => void): Faults {
  const watched = Object.entries(faults).map(([name, hook]) => [
    name,
    (...params: never[]) => {
      if (name !== 'outbox' && name !== 'pendingTuples') onPlanted()
      return (hook as (...params: never[]) => unknown)(...params)
    },
  ])
  return Object.fromEntries(watched) as Faults
}
