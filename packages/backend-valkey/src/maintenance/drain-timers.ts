import {
  checkScanRequest,
  type FlowId,
  isEngineError,
  makeExecutionId,
  type ScanRequest,
  type ScanResult,
  type TimerItem,
  type TimerKind,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { endNextMembers } from '../flows/finish.js'
import { asList } from '../library/as-list.js'

/** Steps of one call; each makes some progress, and what is left is the next call's. */
const STEPS_MAX = 1_000

type Item = readonly [outcome: string, kind: string, id: string, dueMs: number, isDueAgain: boolean]

/** Applies what is due in a partition, in bounded steps: what flows wait for first, since it may end what their members wait for. */
export async function drainTimers(ctx: ValkeyContext, params: ScanRequest): Promise<ScanResult<TimerItem>> {
  const partition = checkScanRequest(params, await ctx.partitions())
  const items: TimerItem[] = []
  // One timer of an execution in a call: what it waits for then is for the next one.
  const applied: string[] = []
  let isCareful = false
  let more = true
  let nextDueMs = 0
  for (let steps = 0; more && items.length < params.max && steps < STEPS_MAX; steps += 1) {
    const step = await drainStep(ctx, partition, params.max - items.length, applied, isCareful)
    if (step === undefined) {
      isCareful = true
      continue
    }
    for (const [outcome, kind, id, dueMs, isDueAgain] of step.items) {
      items.push(toItem(partition, outcome, kind, id, dueMs))
      if (isFlowTimer(kind)) await finishFlow(ctx, id as FlowId)
      else if (isDueAgain) applied.push(id)
      // What could not be read is out of the way.
      if (outcome === 'error') isCareful = false
    }
    more = step.more
    nextDueMs = step.nextDueMs
  }
  return { items, more, ...(nextDueMs > 0 && { nextDueAtMs: nextDueMs }) }
}

interface Step {
  readonly items: readonly Item[]
  readonly more: boolean
  readonly nextDueMs: number
}

/** `undefined`: something that it met does not decode, and nothing was done; to be taken one by one. */
async function drainStep(
  ctx: ValkeyContext,
  partition: number,
  max: number,
  applied: readonly string[],
  isCareful: boolean,
): Promise<Step | undefined> {
  try {
    const { reply } = await ctx.invoke({
      name: 'maintenance_drain_timers',
      tag: `fp:${partition}`,
      args: [max, [...applied], isCareful],
    })
    const [items, more, nextDueMs] = reply
    return { items: asList(items), more, nextDueMs }
  } catch (fault) {
    if (isCareful || !isEngineError(fault) || fault.code !== 'corruption') throw fault
    return undefined
  }
}

/** Members beyond those of its step, up to a bound; the rest is the backlog's. */
async function finishFlow(ctx: ValkeyContext, flowId: FlowId): Promise<void> {
  try {
    await endNextMembers(ctx, flowId)
  } catch (fault) {
    if (!isEngineError(fault) || fault.code !== 'corruption') throw fault
  }
}

function toItem(partition: number, outcome: string, kind: string, id: string, dueAtMs: number): TimerItem {
  const item = {
    timer: kind as TimerKind,
    id: isFlowTimer(kind) ? (id as FlowId) : makeExecutionId(partition, id),
    dueAtMs,
  }
  return outcome === 'error' ? { outcome, ...item, code: 'corruption' } : { outcome: 'applied', ...item }
}

function isFlowTimer(kind: string): boolean {
  return kind === 'flow_deadline' || kind === 'draft_expiry' || kind === 'stage_expiry'
}
