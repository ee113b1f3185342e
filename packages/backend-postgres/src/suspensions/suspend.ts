import {
  type CheckedHandle,
  type ChildEnd,
  type ConditionState,
  checkSuspend,
  childrenOf,
  engineError,
  type ItemError,
  isEngineError,
  judgeArrivals,
  type LeaseHandle,
  limits,
  looksIntoPayloads,
  must,
  partitionIndexOf,
  type Suspend,
  type SuspendItem,
  type SuspendOutcome,
  startCondition,
  uuidOf,
  waitpointsOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { announceEnds, type EndFacts } from '../leases/after-end.js'
import { toItemError } from '../leases/handle-columns.js'
import { type RefusalRow, toRefusal } from '../leases/refusal.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { toWaitpointId } from './ids.js'
import { verdictOf } from './judging.js'
import { digestOf } from './remembered-conditions.js'
import { type StoredResumption, toResumption } from './resumption.js'
import { type StoredSignal, toJudged } from './stored-signal.js'

/** What `suspend_lease` answers. */
type Answer =
  | RefusalRow
  | { readonly error: 'too_many_waitpoints'; readonly actual: number }
  | { readonly error: 'waitpoint_not_found'; readonly id: string }
  | { readonly error: 'condition_unsatisfiable' }
  | { readonly outcome: 'waitpoint_conflict'; readonly id: string }
  | { readonly outcome: 'already_satisfied'; readonly resumption: StoredResumption }
  | { readonly outcome: 'cancelled'; readonly moved: EndFacts }
  | {
      readonly outcome: 'suspended'
      readonly timesOutAtMs: number | null
      readonly moved: EndFacts
      readonly watches: boolean
    }
  | ToFold

/** The next of what came early. `afresh`: nothing that was folded before counts. */
interface ToFold {
  readonly outcome: 'judge'
  readonly afresh: boolean
  readonly signals: readonly StoredSignal[]
  readonly ends: readonly ChildEnd[]
}

/** What of it was folded already. */
interface Folded {
  readonly state: ConditionState
  readonly upTo: number
  readonly seen: readonly ChildEnd[]
}

/** Each item in a transaction of its own, one after the other: two may be of one execution, and then the order counts. */
export async function suspend(
  ctx: PostgresContext,
  params: Suspend,
): Promise<{ readonly items: readonly SuspendOutcome[] }> {
  const handles = checkSuspend(params, await ctx.partitions())
  const items: SuspendOutcome[] = []
  for (const [index, handle] of handles.entries()) {
    items.push(await suspendItem(ctx, params.namespaces, handle, must(params.items[index], 'an item')))
  }
  return { items }
}

async function suspendItem(
  ctx: PostgresContext,
  namespaces: readonly string[],
  handle: CheckedHandle,
  item: SuspendItem,
): Promise<SuspendOutcome> {
  if (isEngineError(handle)) return { outcome: 'error', error: handle }
  const partition = partitionIndexOf(handle.executionId)
  try {
    const { answer, folded } = await foldUntilDone(ctx, namespaces, handle, item)
    if ('outcome' in answer && answer.outcome === 'suspended')
      rememberCondition(ctx, handle, item, folded, answer.moved.lane_id)
    return toOutcome(ctx, partition, item, answer)
  } catch (fault) {
    return toItemError(fault)
  }
}

async function foldUntilDone(
  ctx: PostgresContext,
  namespaces: readonly string[],
  handle: LeaseHandle,
  item: SuspendItem,
): Promise<{ readonly answer: Exclude<Answer, ToFold>; readonly folded: Folded | undefined }> {
  const { condition } = item
  const partition = partitionIndexOf(handle.executionId)
  let folded: Folded | undefined
  for (;;) {
    const answer = await callSuspend(ctx, namespaces, handle, item, folded)
    if (!('outcome' in answer) || answer.outcome !== 'judge') return { answer, folded }
    const isFirst = answer.afresh || folded === undefined
    const { state } = judgeArrivals(
      condition,
      isFirst || folded === undefined ? startCondition(condition) : folded.state,
      {
        children: isFirst ? answer.ends : [],
        signals: answer.signals.map((signal) => toJudged(partition, signal)),
      },
    )
    const upTo = answer.signals.at(-1)?.sequence ?? (isFirst ? 0 : (folded?.upTo ?? 0))
    folded = { state, upTo, seen: answer.ends }
  }
}

/** So that a signal to this process needs no look at what stands. */
function rememberCondition(
  ctx: PostgresContext,
  handle: LeaseHandle,
  { condition, suspensionId, resumePolicy }: SuspendItem,
  folded: Folded | undefined,
  laneId: number | null,
): void {
  const state = folded?.state ?? startCondition(condition)
  ctx.conditions.remember(waitpointsOf(condition).map(uuidOf), {
    executionId: handle.executionId,
    revision: `${uuidOf(suspensionId)}:1`,
    condition,
    state,
    laneId: (resumePolicy?.delayMs ?? 0) === 0 ? laneId : null,
    of: digestOf(JSON.stringify(condition), verdictOf(condition, state).state),
  })
}

async function callSuspend(
  ctx: PostgresContext,
  namespaces: readonly string[],
  handle: LeaseHandle,
  item: SuspendItem,
  folded: Folded | undefined,
): Promise<Answer> {
  const { condition, timeout, resumePolicy = {}, waitpoints = [] } = item
  const { state, ...verdict } = verdictOf(condition, folded?.state ?? startCondition(condition))
  const [row] = await ctx.db.call<{ answer: Answer }>(
    `select ff.suspend_lease($1::integer, $2::uuid, $3::integer, $4::uuid, $5::bigint, $6::text[], $7::uuid, $8, $9, $10, $11::jsonb,
       $12::uuid[], $13::text[], $14::jsonb, $15::integer, $16::integer, $17::integer) as answer`,
    [
      partitionIndexOf(handle.executionId),
      uuidOf(handle.executionId),
      handle.attemptIndex,
      handle.leaseId,
      handle.epoch,
      namespaces,
      uuidOf(item.suspensionId),
      item.reason,
      JSON.stringify(condition),
      state,
      JSON.stringify({
        waitpoints: waitpoints.map(({ waitpointId, name, expiresAtMs }) => ({
          id: uuidOf(waitpointId),
          name,
          expiresAtMs,
        })),
        afterMs: timeout?.afterMs,
        behaviour: timeout?.behaviour,
        delayMs: resumePolicy.delayMs ?? 0,
        closes: resumePolicy.closeWaitpoints ?? true,
        looks: looksIntoPayloads(condition),
      }),
      waitpointsOf(condition).map(uuidOf),
      childrenOf(condition),
      folded === undefined ? null : JSON.stringify({ ...verdict, upTo: folded.upTo, seen: folded.seen }),
      limits.waitpointsMax,
      limits.judgedSignalsMax,
      limits.judgedSignalBytesMax,
    ],
  )
  return must(row, 'the answer to a suspension').answer
}

function toOutcome(
  ctx: PostgresContext,
  partition: number,
  item: SuspendItem,
  answer: Exclude<Answer, ToFold>,
): SuspendOutcome {
  if ('refusal' in answer) return must(toRefusal(answer), 'a refusal') as SuspendOutcome
  if ('error' in answer) return toError(partition, item, answer)
  switch (answer.outcome) {
    case 'waitpoint_conflict':
      return { outcome: answer.outcome, waitpointId: toWaitpointId(partition, answer.id) }
    case 'already_satisfied':
      return { outcome: answer.outcome, resumption: toResumption(partition, answer.resumption) }
    case 'cancelled':
      announceEnds(ctx, [answer.moved])
      return { outcome: answer.outcome }
    case 'suspended':
      announceEnds(ctx, [answer.moved])
      if (answer.watches) kickDispatch(ctx, [partition])
      return { outcome: answer.outcome, suspensionId: item.suspensionId, timesOutAtMs: answer.timesOutAtMs }
  }
}

function toError(
  partition: number,
  item: SuspendItem,
  answer: Extract<Answer, { readonly error: string }>,
): ItemError {
  switch (answer.error) {
    case 'too_many_waitpoints':
      return { outcome: 'error', error: tooManyWaitpoints(answer.actual) }
    case 'waitpoint_not_found': {
      const id = toWaitpointId(partition, answer.id)
      const error = engineError('waitpoint_not_found', `${id} is no waitpoint of this execution`)
      return { outcome: 'error', error }
    }
    case 'condition_unsatisfiable': {
      const error = engineError(
        'condition_unsatisfiable',
        `Suspension ${item.suspensionId} waits for the end of its own flow`,
      )
      return { outcome: 'error', error }
    }
  }
}

export function tooManyWaitpoints(actual: number) {
  const max = limits.waitpointsMax
  return engineError('too_many_waitpoints', `${actual} waitpoints, at most ${max}`, { max, actual })
}
