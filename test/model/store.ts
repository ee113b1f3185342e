import {
  type AuditEntry,
  type BudgetId,
  type DueRow,
  type EngineEvent,
  type EngineView,
  type EntryId,
  type ExecutionId,
  engineError,
  type FlowId,
  type Hint,
  type InstanceId,
  limits,
  type Namespace,
  type NamespaceRecord,
  type PartitionConfig,
  type PartitionTag,
  type QuotaId,
  readPartitionConfig,
  type SigningKey,
  type StoredApiToken,
  type TokenId,
  type WorkerView,
} from '@flowfabric/core'
import { type Clock, createClock } from './clock.js'
import type { OperationRecord } from './operations.js'
import { createRandom, type Random } from './random.js'
import type {
  BudgetRecord,
  ExecutionRecord,
  FlowRecord,
  IdempotencyRecord,
  LaneRecord,
  MessageRecord,
  OutboxEntry,
  QuotaRecord,
} from './records.js'
import type { ScheduleRecord } from './schedule-records.js'

export interface ModelOptions {
  readonly partitions?: Partial<PartitionConfig> | undefined
  /** The clock stands still here and moves by `advanceTime`; without it the model runs on the machine's time. */
  readonly startMs?: number | undefined
  /** Edges that the terminal step resolves itself; 0 leaves everything to the outbox. */
  readonly inlineResolveEdges?: number | undefined
  readonly hopMaxEdges?: number | undefined
  readonly seed?: number | undefined
  /** How a long poll waits; by default in real time, also on a virtual clock. */
  readonly sleep?: Sleep | undefined
}

/** Resolves after the time, or as soon as the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>

/** Everything that the model knows. */
export interface Model {
  readonly options: { readonly inlineResolveEdges: number; readonly hopMaxEdges: number }
  readonly clock: Clock
  readonly random: Random
  readonly sleep: Sleep
  partitions: PartitionConfig
  closed: boolean
  sequence: number

  readonly executions: Map<ExecutionId, ExecutionRecord>
  readonly flows: Map<FlowId, FlowRecord>
  readonly lanes: Map<string, LaneRecord>
  readonly workers: Map<InstanceId, WorkerView>
  readonly engines: Map<InstanceId, EngineView>
  readonly signingKeys: Map<string, SigningKey>
  readonly tokens: Map<TokenId, StoredApiToken>
  readonly namespaces: Map<Namespace, NamespaceRecord>
  readonly audit: Map<string, AuditEntry>
  readonly idempotencyKeys: Map<string, IdempotencyRecord>
  readonly schedules: Map<string, ScheduleRecord>
  readonly operations: Map<string, OperationRecord>
  readonly webhooks: Map<string, DueRow>
  readonly quotas: Map<QuotaId, QuotaRecord>
  readonly budgets: Map<BudgetId, BudgetRecord>
  /** Of each line of equal claims, when it last had its turn. */
  readonly turns: Map<string, number>
  readonly outbox: Map<EntryId, OutboxEntry>
  readonly messages: Map<EntryId, MessageRecord>
  /** Who is to be told of an end, until they are. */
  readonly watchers: Map<ExecutionId | FlowId, Set<ExecutionId>>
  /** Entries that the running step left, which it may resolve itself. */
  fresh: OutboxEntry[]
  readonly feed: EngineEvent[]
  /** The last event's number in each partition. */
  readonly eventNumbers: Map<PartitionTag, number>
  /** The first number of each partition that was not trimmed from the feed. */
  readonly trimmedBelow: Map<PartitionTag, number>

  /** A comparison's hook: claims hand out these alone, in the model's own order; `null` is no bound. */
  claimOnly: ReadonlySet<ExecutionId> | null

  readonly listeners: Set<(hint: Hint) => void>
  pendingHints: Hint[]
  /** Woken after each operation that left a hint. */
  readonly waiters: Set<() => void>
}

export function createStore(options: ModelOptions): Model {
  return {
    options: {
      inlineResolveEdges: options.inlineResolveEdges ?? limits.hopMaxEdges,
      hopMaxEdges: options.hopMaxEdges ?? limits.hopMaxEdges,
    },
    clock: createClock(options.startMs),
    random: createRandom(options.seed ?? 1),
    sleep: options.sleep ?? sleepInRealTime,
    partitions: readPartitionConfig(options.partitions),
    closed: false,
    sequence: 0,
    executions: new Map(),
    flows: new Map(),
    lanes: new Map(),
    workers: new Map(),
    engines: new Map(),
    signingKeys: new Map(),
    tokens: new Map(),
    namespaces: new Map(),
    audit: new Map(),
    idempotencyKeys: new Map(),
    schedules: new Map(),
    operations: new Map(),
    webhooks: new Map(),
    quotas: new Map(),
    budgets: new Map(),
    turns: new Map(),
    outbox: new Map(),
    messages: new Map(),
    watchers: new Map(),
    fresh: [],
    feed: [],
    eventNumbers: new Map(),
    trimmedBelow: new Map(),
    claimOnly: null,
    listeners: new Set(),
    pendingHints: [],
    waiters: new Set(),
  }
}

/** Runs an operation: all of it in one go, so that nobody sees it half done; its hints go out after it. */
export async function operate<Answer>(model: Model, work: () => Answer): Promise<Answer> {
  if (model.closed) throw engineError('closed', 'the model was closed')
  try {
    return work()
  } finally {
    const hints = model.pendingHints
    model.pendingHints = []
    for (const hint of hints) for (const listener of model.listeners) listener(hint)
    // An operation that changed nothing wakes nobody: else two waiters would wake each other for ever.
    if (hints.length > 0) for (const wake of [...model.waiters]) wake()
  }
}

/** Looks again after each change until it answers something, the time is over, or the signal aborts. */
export async function waitFor<Answer>(
  model: Model,
  wait: { readonly ms: number; readonly signal?: AbortSignal | undefined },
  look: () => Answer | undefined,
): Promise<Answer | undefined> {
  const over = new AbortController()
  const signals = wait.signal === undefined ? over.signal : AbortSignal.any([over.signal, wait.signal])
  let expired = false
  const expiry = model.sleep(wait.ms, signals).then(() => {
    expired = true
  })
  try {
    for (;;) {
      // Listens before it looks: what changes in between is not missed.
      const changed = nextChange(model)
      const answer = await operate(model, look)
      if (answer === undefined && !expired) await Promise.race([changed.promise, expiry])
      changed.forget()
      if (answer !== undefined || expired) return answer
    }
  } finally {
    over.abort()
    await expiry
  }
}

function nextChange(model: Model): { readonly promise: Promise<void>; forget(): void } {
  let wake: () => void = () => undefined
  const promise = new Promise<void>((resolve) => {
    wake = resolve
  })
  model.waiters.add(wake)
  return { promise, forget: () => model.waiters.delete(wake) }
}

function sleepInRealTime(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
  })
}
