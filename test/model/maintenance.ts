import {
  checkPulse,
  checkScanRequest,
  comparePartitionConfigs,
  engineError,
  limits,
  type MaintenanceOperations,
  type PartitionTag,
  type PendingWork,
  type PrepareParams,
  type PulseResult,
  partitionOfTag,
  partitionTagOf,
  readPartitionConfig,
  recordsPulse,
  vectorViolations,
} from '@flowfabric/core'
import { nextResetIn } from './budgets.js'
import { flowTagOf, hint } from './feed.js'
import { laneOf } from './lane-records.js'
import { nextOperationIn } from './operations.js'
import { nextRetryIn, parkedHeadOf, wakeableIn } from './parking.js'
import { isDispatchable } from './resolution.js'
import { hasExpired, trimRetention } from './retention.js'
import { nextScheduleIn } from './schedule-records.js'
import { type Model, operate } from './store.js'
import { drainTimers, nextTimerIn } from './timers.js'
import { nextWebhookIn } from './webhooks.js'

export function createMaintenance(model: Model): MaintenanceOperations {
  return {
    pulse: (params) =>
      operate(model, () => {
        checkPulse(params, model.partitions)
        const nowMs = model.clock.nowMs()
        const partitions = params.partitions.map((partition) => {
          const { family, index } = partitionOfTag(partition)
          if (family !== 'flow') return pulseOfRecords(model, { partition, family, index })
          const nextDueAtMs = nextTimerIn(model, partition)
          return { partition, pending: pendingIn(model, partition, nextDueAtMs), nextDueAtMs }
        })
        const waiting = waitingLanes(model)
        for (const { namespace, lane } of waiting) hint(model, { type: 'ready', namespace, lane, count: 0 })
        return { nowMs, partitions, waitingLanes: waiting }
      }),

    drainTimers: (params) => operate(model, () => drainTimers(model, params)),

    // The model has no indexes: what is left to compare is the records with the rules of the vector.
    reconcileIndexes: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions)
        const items = [...model.executions.values()]
          .filter((x) => partitionTagOf(x.id) === params.partition)
          .flatMap((x) =>
            vectorViolations(x.state).map((finding) => ({
              outcome: 'violation' as const,
              id: x.id,
              finding,
            })),
          )
        return { items: items.slice(0, params.max), more: items.length > params.max }
      }),

    trimRetention: (params) => operate(model, () => trimRetention(model, params)),

    upkeep: (params) =>
      operate(model, () => {
        checkScanRequest(params, model.partitions)
        return { items: [], more: false }
      }),

    describe: () =>
      operate(model, () => ({
        // The contract names the stores that there are; this is neither, and says so below.
        kind: 'postgres' as const,
        store: 'reference model',
        layoutVersion: 1,
        partitions: model.partitions,
        virtualTime: model.clock.isVirtual(),
        durability: 'none: everything is in memory',
        limits: { ...limits },
        counts: {
          executions: model.executions.size,
          flows: model.flows.size,
          outbox: model.outbox.size,
          events: model.feed.length,
        },
      })),

    serverTimeMs: () => operate(model, () => model.clock.nowMs()),

    ping: () => operate(model, () => ({ outcome: 'pong' as const, roundTripMs: 0 })),

    prepare: (params = {}) => operate(model, () => prepare(model, params)),

    advanceTime: ({ byMs }) => operate(model, () => ({ nowMs: model.clock.advance(byMs) })),

    close: async () => {
      model.closed = true
      for (const wake of [...model.waiters]) wake()
    },
  }
}

function prepare(model: Model, params: PrepareParams) {
  const isEmpty = model.executions.size + model.flows.size + model.lanes.size === 0
  if (params.partitions !== undefined) {
    const asked = readPartitionConfig({ ...model.partitions, ...params.partitions })
    comparePartitionConfigs(model.partitions, asked)
  }
  if (params.virtualTime !== undefined && !model.clock.isVirtual()) {
    if (!isEmpty)
      throw engineError('virtual_time_refused', 'a store that holds data cannot be given virtual time')
    model.clock.freeze(params.virtualTime.startMs)
  }
  return {
    outcome: 'prepared' as const,
    partitions: model.partitions,
    virtualTime: model.clock.isVirtual(),
  }
}

function pendingIn(model: Model, partition: PartitionTag, nextDueAtMs: number | null): PendingWork[] {
  const flows = [...model.flows.values()].filter((flow) => flowTagOf(model, flow) === partition)
  const entries = [...model.outbox.values()].filter((entry) => partitionTagOf(entry.id) === partition)
  const isPending: Partial<Record<PendingWork, boolean>> = {
    timers: nextDueAtMs !== null && nextDueAtMs <= model.clock.nowMs(),
    outbox:
      entries.some((entry) => isDispatchable(model, entry)) ||
      [...model.messages.keys()].some((id) => partitionTagOf(id) === partition),
    sibling_cancels: flows.some((flow) =>
      [...flow.groups.values()].some((group) => group.siblingCancel !== null),
    ),
    projection: flows.some((flow) => flow.live && flow.changed),
    retention: hasExpired(model, partition),
  }
  return (Object.keys(isPending) as PendingWork[]).filter((work) => isPending[work])
}

/** Lanes that hand out work, and whose oldest claimable execution has waited longer than this. */
const WAITING_MS = 250

/** Of partitions in which no executions live. */
function pulseOfRecords(
  model: Model,
  { partition, family, index }: { partition: PartitionTag; family: 'quota' | 'budget'; index: number },
): PulseResult['partitions'][number] {
  const due =
    family === 'quota'
      ? {
          schedules: nextScheduleIn(model, partition),
          operations: nextOperationIn(model, partition),
          webhooks: nextWebhookIn(model, partition),
        }
      : { budget_resets: nextResetIn(model, partition) }
  return recordsPulse(family, index, model.clock.nowMs(), due, {
    isParked: wakeableIn(model, partition).length > 0,
    retryAtMs: nextRetryIn(model, partition),
  })
}

function waitingLanes(model: Model): PulseResult['waitingLanes'] {
  const nowMs = model.clock.nowMs()
  const oldest = new Map<string, PulseResult['waitingLanes'][number]>()
  for (const x of model.executions.values()) {
    const { state } = laneOf(model, x.namespace, x.lane)
    if (x.state.eligibilityState !== 'eligible_now' || x.readyAtMs === null) continue
    if (parkedHeadOf(model, x) !== undefined) continue
    if (state === 'paused' || state === 'disabled' || nowMs - x.readyAtMs <= WAITING_MS) continue
    const key = `${x.namespace}/${x.lane}`
    if (x.readyAtMs < (oldest.get(key)?.readyAtMs ?? Number.POSITIVE_INFINITY)) {
      oldest.set(key, { namespace: x.namespace, lane: x.lane, readyAtMs: x.readyAtMs })
    }
  }
  return [...oldest.values()]
}
