import {
  type CancelFlow,
  type CancelFlowOutcome,
  checkCancelFlow,
  engineError,
  type FlowId,
  limits,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { awaitMembers } from './await-members.js'
import { carryEnds } from './carry-ends.js'
import { endNextMembers, finishEnding, finishReplay, MEMBERS_PER_STEP } from './finish.js'
import { readFlowState, writeCancelPolicy } from './flow-letters.js'
import { orFlowNotFound, placeOf } from './flow-place.js'
import { selectResult } from './get-result.js'
import { readFacts } from './read-facts.js'

/** A result as of one change of the flow, as it is stored. */
interface Frozen {
  readonly change: number
  readonly bytes: Uint8Array
}

/** Each round does what the one before it asked for; more means that the flow never stands still. */
const ROUNDS_MAX = 20

/**
 * Cancels a flow by policy. The flag and the first members go in one step, from which on nothing of the flow starts; members
 * up to a bound end before the answer, the rest by the backlog.
 */
export async function cancelFlow(ctx: ValkeyContext, params: CancelFlow): Promise<CancelFlowOutcome> {
  checkCancelFlow(params)
  const { flowId } = params
  let isJudged = false
  let frozen: Frozen | undefined
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const [word, detail, isDone] = await cancelOnce(ctx, params, isJudged, frozen)
    switch (word) {
      case 'flow_terminal':
      case 'flow_not_open':
        return { outcome: word, flowState: readFlowState(detail) }
      case 'finish_replay':
        await finishReplay(ctx, flowId)
        break
      case 'finish_ending':
        await finishEnding(ctx, flowId)
        break
      case 'judge_ends':
        await carryEnds(ctx, flowId)
        isJudged = true
        break
      case 'judge_result':
        frozen = await freezeResult(ctx, flowId)
        break
      case 'left':
        return { outcome: 'cancelled' }
      default:
        return finishCancel(ctx, params, { open: Number(detail), isDone: isDone === true })
    }
  }
  throw engineError('contention', `Flow ${flowId} changed whenever it was looked at`)
}

async function cancelOnce(
  ctx: ValkeyContext,
  { namespace, flowId, policy, finalisers = true }: CancelFlow,
  isJudged: boolean,
  frozen: Frozen | undefined,
): Promise<readonly unknown[]> {
  const { tag } = await placeOf(ctx, flowId)
  const { reply } = await orFlowNotFound(
    flowId,
    ctx.invoke({
      name: 'flows_cancel',
      tag,
      args: [
        namespace,
        flowId,
        writeCancelPolicy(policy),
        finalisers,
        isJudged,
        frozen?.change ?? 0,
        frozen === undefined ? 0 : 1,
        MEMBERS_PER_STEP,
      ],
      bytes: frozen === undefined ? [] : [frozen.bytes],
    }),
  )
  return reply
}

/** What the flow would answer as its result now. Nothing when it changed while it was read: then it is read again. */
async function freezeResult(ctx: ValkeyContext, flowId: FlowId): Promise<Frozen | undefined> {
  const facts = await orFlowNotFound(flowId, readFacts(ctx, flowId))
  if (!facts.isOfOneMoment) return undefined
  return { change: facts.change, bytes: Buffer.from(JSON.stringify(selectResult(facts.members))) }
}

async function finishCancel(
  ctx: ValkeyContext,
  { namespace, flowId, waitMs }: CancelFlow,
  first: { readonly open: number; readonly isDone: boolean },
): Promise<CancelFlowOutcome> {
  const max = limits.scannerBatchMax - MEMBERS_PER_STEP
  const { open, isDone } = first.isDone ? first : await endNextMembers(ctx, flowId, max)
  if (!isDone) kickBacklog(ctx, flowId)
  if (open === 0) return { outcome: 'cancelled' }
  if (!waitMs) return { outcome: 'cancelling', remaining: open, failures: [] }
  return awaitMembers(ctx, { namespace, flowId }, waitMs)
}

/**
 * Goes on, without waiting, with a flow that was too large for the call that cancels it. Should this process end, the
 * backlog is the reconciler's.
 */
function kickBacklog(ctx: ValkeyContext, flowId: FlowId): void {
  if (!ctx.settings.dispatchInProcess) return
  const drive = async () => {
    for (let isDone = false; !isDone && !ctx.closing.aborted; )
      isDone = (await endNextMembers(ctx, flowId)).isDone
  }
  // What fails here is where it was, and is reported by the pass that meets it next.
  drive().catch(() => {})
}
