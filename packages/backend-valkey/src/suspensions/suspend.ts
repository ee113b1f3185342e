import {
  type CheckedHandle,
  type ChildEnd,
  type ConditionState,
  checkSuspend,
  childrenOf,
  conditionHolds,
  engineError,
  evidenceOf,
  type JudgedSignal,
  judgeArrivals,
  looksIntoPayloads,
  must,
  partitionIndexOf,
  type Suspend,
  type SuspendItem,
  type SuspendOutcome,
  startCondition,
  uuidOf,
  type WaitpointId,
  waitpointsOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { readRefusal } from '../leases/refusal.js'
import { type Placed, writeEach } from '../leases/write-each.js'
import { asList } from '../library/as-list.js'
import { suspensionReasonLetters, timeoutBehaviourLetters } from '../records/letters.js'
import { packEnd, readEnds } from './child-ends.js'
import { wholeId } from './ids.js'
import type { RememberedSuspensions } from './remembered.js'
import { readResumption } from './resumption.js'
import { packJson } from './stored-suspension.js'
import { readSignal } from './told-signals.js'
import { packExpiry, tooManyWaitpoints } from './waitpoints.js'

type Reply = readonly unknown[]

/** Releases leases to wait for conditions. Each item is a step of its own. */
export async function suspend(
  ctx: ValkeyContext,
  remembered: RememberedSuspensions,
  params: Suspend,
): Promise<{ readonly items: readonly SuspendOutcome[] }> {
  const checked: readonly CheckedHandle[] = checkSuspend(params, await ctx.partitions())
  const items = await writeEach<SuspendOutcome>(ctx, checked, (tag, placed) =>
    Promise.all(
      placed.map(({ handle, index }) =>
        suspendOne(ctx, remembered, params.namespaces, {
          tag,
          handle,
          item: must(params.items[index], 'an item'),
        }),
      ),
    ),
  )
  return { items }
}

interface One {
  readonly tag: string
  readonly handle: Placed['handle']
  readonly item: SuspendItem
}

/** How far what came early has been judged. */
interface Judged {
  readonly state: ConditionState
  readonly upTo: number
  readonly ends: number
}

/** Judges what the store shows of what came early, as often as it shows more of it. */
async function suspendOne(
  ctx: ValkeyContext,
  remembered: RememberedSuspensions,
  namespaces: Suspend['namespaces'],
  one: One,
): Promise<SuspendOutcome> {
  const { condition } = one.item
  const start: Judged = { state: startCondition(condition), upTo: 0, ends: 0 }
  let judged = start
  for (;;) {
    const { reply, bytes } = await ctx.invoke({
      name: 'suspensions_suspend',
      tag: one.tag,
      args: argsOf(namespaces, one, judged),
      bytes: [Buffer.from(packJson(condition))],
    })
    if (reply[0] === 'judge') judged = judge(one.item, judged, reply, bytes)
    else if (reply[0] === 'again') judged = start
    else {
      const [outcome, , , revision, sinceMs, signals, rid] = reply
      if (outcome === 'suspended' && revision !== undefined) {
        const stamp = { revision: Number(revision), sinceMs: Number(sinceMs), signals: Number(signals) }
        const resumes = one.item.resumePolicy?.delayMs ? undefined : String(rid)
        remembered.remember({ condition, state: judged.state, stamp, resumes })
      }
      return toOutcome(one.item, reply, bytes)
    }
  }
}

function argsOf(
  namespaces: Suspend['namespaces'],
  { handle, item }: One,
  { state, upTo, ends }: Judged,
): LibraryFunctions['suspensions_suspend']['args'] {
  const { condition, suspensionId, reason, waitpoints = [], timeout, resumePolicy = {} } = item
  const evidence = evidenceOf(condition, state)
  return [
    [...namespaces],
    [...handle],
    uuidOf(suspensionId),
    [
      suspensionReasonLetters.write(reason),
      timeout === undefined ? '' : timeoutBehaviourLetters.write(timeout.behaviour),
      timeout === undefined ? 0 : timeout.afterMs + 1,
      resumePolicy.delayMs ?? 0,
      resumePolicy.closeWaitpoints ?? true,
    ],
    waitpoints.map(({ waitpointId, name, expiresAtMs }) => [
      uuidOf(waitpointId),
      name,
      packExpiry(expiresAtMs),
    ]),
    waitpointsOf(condition).map(uuidOf),
    [...childrenOf(condition)],
    looksIntoPayloads(condition),
    1,
    [
      upTo,
      ends,
      conditionHolds(condition, state),
      packJson(state),
      [...evidence.signals],
      evidence.children.map(packEnd),
    ],
  ]
}

function judge(
  { condition, suspensionId }: SuspendItem,
  before: Judged,
  [, ends, rows]: Reply,
  bytes: readonly Uint8Array[],
): Judged {
  const partition = partitionIndexOf(suspensionId)
  const children: readonly ChildEnd[] = readEnds(ends)
  const signals = asList(rows as readonly (readonly [number, Reply])[]).map(
    ([sequence, told]): JudgedSignal => {
      const signal = readSignal(partition, told, bytes)
      return { ...signal, sequence, waitpointId: signal.waitpointId as WaitpointId }
    },
  )
  const { state } = judgeArrivals(condition, before.state, { children, signals })
  return { state, upTo: signals.at(-1)?.sequence ?? before.upTo, ends: children.length }
}

function toOutcome(
  { suspensionId }: SuspendItem,
  reply: Reply,
  bytes: readonly Uint8Array[],
): SuspendOutcome {
  const partition = partitionIndexOf(suspensionId)
  const [outcome, first, second] = reply
  switch (outcome) {
    case 'suspended':
      return {
        outcome,
        suspensionId: wholeId(partition, first),
        timesOutAtMs: second === 0 ? null : Number(second),
      }
    case 'already_satisfied':
      return { outcome, resumption: readResumption(partition, { told: first as Reply, bytes }) }
    case 'cancelled':
      return { outcome }
    case 'waitpoint_conflict':
      return { outcome, waitpointId: wholeId(partition, first) }
    case 'too_many_waitpoints':
      return { outcome: 'error', error: tooManyWaitpoints(Number(first)) }
    case 'waitpoint_not_found':
      return {
        outcome: 'error',
        error: engineError(
          'waitpoint_not_found',
          `${wholeId<WaitpointId>(partition, first)} is no waitpoint of the execution`,
        ),
      }
    case 'own_flow':
      return {
        outcome: 'error',
        error: engineError('condition_unsatisfiable', 'It waits for the end of its own flow'),
      }
    default:
      return readRefusal(reply)
  }
}
