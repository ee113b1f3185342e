import type { FlowState, StateVector } from '@flowfabric/core'

/**
 * Who moves each state on that is not an end, and how late that can be. A state that no row covers is one from which
 * nothing may move: a bug. `test/unit/owners.test.ts` holds the table to the state vector, to the contract and to the
 * scanners; the random suites hold every state that they meet to it.
 */
export interface Owner {
  readonly id: string
  /** What moves it on: operations of the contract, as `role.operation`. */
  readonly movedBy: readonly string[]
  /** The scanner that does so when nobody calls, or repairs what a crash left; `null` when there is nothing to repair. */
  readonly scanner: string | null
  /**
   * How long after its cause a crash of everybody concerned can leave it, in ms; `asked` when it waits for what its owner
   * asked for (a worker, an operator, a paused lane), which `explain` names.
   */
  readonly latestMs: number | 'asked'
  /** What it waits for, in a sentence. */
  readonly waitsFor: string
}

export interface ExecutionOwner extends Owner {
  readonly covers: (vector: StateVector) => boolean
}

const deadOwnerMs = 15_000
const leaseTtlMs = 30_000
const draftTtlMs = 86_400_000

export const executionOwners: readonly ExecutionOwner[] = [
  {
    id: 'execution.submitted',
    covers: ({ lifecyclePhase }) => lifecyclePhase === 'submitted',
    movedBy: ['flows.seal', 'flows.cancel', 'executions.cancel', 'maintenance.drainTimers'],
    scanner: 'timers',
    latestMs: draftTtlMs + deadOwnerMs,
    waitsFor: 'Its draft to be sealed; the draft expires by a timer of the flow.',
  },
  {
    id: 'execution.eligible',
    covers: ({ eligibilityState }) => eligibilityState === 'eligible_now',
    movedBy: ['leases.claim', 'executions.cancel', 'executions.hold', 'maintenance.drainTimers'],
    scanner: 'ready_announcer',
    latestMs: 'asked',
    waitsFor: 'A worker that serves it and an active lane; a lost hint is repeated by the pulse.',
  },
  {
    id: 'execution.delayed',
    covers: ({ eligibilityState }) => eligibilityState === 'not_eligible_until_time',
    movedBy: ['maintenance.drainTimers', 'executions.cancel'],
    scanner: 'timers',
    latestMs: deadOwnerMs,
    waitsFor: 'Its time: start, retry, reclaim or resume.',
  },
  {
    id: 'execution.waiting_for_upstreams',
    covers: ({ eligibilityState }) => eligibilityState === 'blocked_by_dependencies',
    movedBy: ['resolution.dispatchCompletions', 'resolution.reconcileDependencies', 'flows.cancel'],
    scanner: 'completion_dispatcher',
    latestMs: deadOwnerMs,
    waitsFor: 'Its edge group; each of its upstreams has an owner in turn.',
  },
  {
    id: 'execution.held',
    covers: ({ eligibilityState }) => eligibilityState === 'blocked_by_operator',
    movedBy: ['executions.release', 'executions.cancel', 'maintenance.drainTimers'],
    scanner: 'timers',
    latestMs: 'asked',
    waitsFor: 'The operator who holds it; its deadline still runs.',
  },
  {
    id: 'execution.rate_limited',
    covers: ({ eligibilityState }) =>
      eligibilityState === 'blocked_by_budget' || eligibilityState === 'blocked_by_quota',
    movedBy: ['quotas.wakeParked', 'executions.hold', 'executions.cancel', 'maintenance.drainTimers'],
    scanner: 'admission_unblocker',
    latestMs: 'asked',
    waitsFor: 'Room in a quota or a budget: a freed slot, a refund, a window, a reset or a raised limit.',
  },
  {
    id: 'execution.active',
    covers: ({ lifecyclePhase }) => lifecyclePhase === 'active',
    movedBy: [
      'leases.complete',
      'leases.fail',
      'leases.delay',
      'leases.yield',
      'leases.revoke',
      'maintenance.drainTimers',
    ],
    scanner: 'timers',
    latestMs: leaseTtlMs + deadOwnerMs,
    waitsFor: 'Its holder; a dead one loses the lease by a timer.',
  },
  {
    id: 'execution.suspended',
    covers: ({ lifecyclePhase }) => lifecyclePhase === 'suspended',
    movedBy: [
      'suspensions.deliverSignal',
      'resolution.dispatchCompletions',
      'executions.release',
      'executions.cancel',
      'maintenance.drainTimers',
    ],
    scanner: 'timers',
    latestMs: 'asked',
    waitsFor:
      'Signals, ends of children, its timeout, or the operator to whom that escalated; its deadline still runs.',
  },
]

export const flowOwners: Readonly<Record<Exclude<FlowState, 'completed' | 'failed' | 'cancelled'>, Owner>> = {
  draft: {
    id: 'flow.draft',
    movedBy: ['flows.seal', 'flows.cancel', 'maintenance.drainTimers'],
    scanner: 'timers',
    latestMs: draftTtlMs + deadOwnerMs,
    waitsFor: 'Its author; it expires.',
  },
  open: {
    id: 'flow.open',
    movedBy: ['resolution.dispatchCompletions', 'flows.cancel', 'flows.replay', 'maintenance.drainTimers'],
    scanner: 'completion_dispatcher',
    latestMs: deadOwnerMs,
    waitsFor: 'Its members; the last end leaves the settlement in the outbox.',
  },
  cancelling: {
    id: 'flow.cancelling',
    movedBy: ['resolution.drainCancelBacklog', 'resolution.dispatchCompletions'],
    scanner: 'cancel_reconciler',
    latestMs: deadOwnerMs,
    waitsFor: 'Members that are cancelled in batches, active ones that finish, and `always` nodes.',
  },
  replaying: {
    id: 'flow.replaying',
    movedBy: ['flows.replay', 'resolution.dispatchCompletions'],
    scanner: 'completion_dispatcher',
    latestMs: deadOwnerMs,
    waitsFor: 'The batches of the reset, which are in the outbox.',
  },
}

/** What else waits: parts of flows and attempts, and what stands in a partition's lists. */
export const partOwners: readonly Owner[] = [
  {
    id: 'edge.pending',
    movedBy: [
      'resolution.dispatchCompletion',
      'resolution.dispatchCompletions',
      'resolution.reconcileDependencies',
    ],
    scanner: 'completion_dispatcher',
    latestMs: deadOwnerMs,
    waitsFor: 'The end of its upstream, whose entry in the outbox resolves it.',
  },
  {
    id: 'group.pending',
    movedBy: ['resolution.dispatchCompletions', 'resolution.reconcileDependencies', 'flows.extend'],
    scanner: 'dependency_reconciler',
    latestMs: deadOwnerMs,
    waitsFor: 'As many of its edges as its policy needs.',
  },
  {
    id: 'group.decided_not_released',
    movedBy: ['resolution.dispatchCompletions', 'resolution.reconcileDependencies'],
    scanner: 'dependency_reconciler',
    latestMs: deadOwnerMs,
    waitsFor: 'Its last upstream, because it asked to run when all have settled.',
  },
  {
    id: 'group.cancel_pending',
    movedBy: ['resolution.drainSiblingCancels', 'resolution.reconcileSiblingCancels'],
    scanner: 'edge_cancel_dispatcher',
    latestMs: deadOwnerMs,
    waitsFor: 'The drain of its tuple.',
  },
  {
    id: 'attempt.started',
    movedBy: ['leases.complete', 'leases.fail', 'maintenance.drainTimers'],
    scanner: 'timers',
    latestMs: leaseTtlMs + deadOwnerMs,
    waitsFor: 'Its holder, its timeout, or the end of its lease.',
  },
  {
    id: 'attempt.suspended',
    movedBy: ['leases.claim', 'suspensions.deliverSignal', 'maintenance.drainTimers'],
    scanner: 'timers',
    latestMs: 'asked',
    waitsFor: 'The time until which it was put aside, or what it is suspended on, then a worker.',
  },
  {
    id: 'family.message',
    movedBy: ['resolution.dispatchCompletion', 'resolution.dispatchCompletions'],
    scanner: 'completion_dispatcher',
    latestMs: deadOwnerMs,
    waitsFor:
      'A dispatcher that carries it from the parent to its children, or from the child to who waits for its end.',
  },
  {
    id: 'waitpoint.open',
    movedBy: ['suspensions.deliverSignal', 'suspensions.closeWaitpoint'],
    scanner: null,
    latestMs: 'asked',
    waitsFor: 'Signals; it closes with its suspension or its execution, and expires by the clock alone.',
  },
  {
    id: 'execution.cancel_requested',
    movedBy: ['leases.complete', 'leases.fail', 'maintenance.drainTimers'],
    scanner: 'timers',
    latestMs: deadOwnerMs,
    waitsFor: 'Its holder, until the grace ends.',
  },
]

/** Kinds of pending work that a pulse names, and who carries them out. */
export const pendingOwners = {
  timers: { scanner: 'timers', movedBy: 'maintenance.drainTimers' },
  outbox: { scanner: 'completion_dispatcher', movedBy: 'resolution.dispatchCompletions' },
  sibling_cancels: { scanner: 'edge_cancel_dispatcher', movedBy: 'resolution.drainSiblingCancels' },
  cancel_backlog: { scanner: 'cancel_reconciler', movedBy: 'resolution.drainCancelBacklog' },
  projection: { scanner: 'flow_projector', movedBy: 'resolution.projectSummaries' },
  retention: { scanner: 'retention_trimmer', movedBy: 'maintenance.trimRetention' },
  upkeep: { scanner: 'store_upkeep', movedBy: 'maintenance.upkeep' },
  schedules: { scanner: 'schedule_runner', movedBy: 'schedules.fireDue' },
  operations: { scanner: 'operation_runner', movedBy: 'operations.advance' },
  webhooks: { scanner: 'webhook_dispatcher', movedBy: 'webhooks.deliverDue' },
  lane_copies: { scanner: 'lane_sync', movedBy: 'lanes.syncCopies' },
  parked: { scanner: 'admission_unblocker', movedBy: 'quotas.wakeParked' },
  budget_resets: { scanner: 'budget_reset', movedBy: 'budgets.resetDue' },
} as const

/** The rows that cover a state; exactly one does, or the table or the state is wrong. */
export function ownersOf(vector: StateVector): readonly ExecutionOwner[] {
  return executionOwners.filter(({ covers }) => covers(vector))
}
