import {
  checkDeliverSignal,
  conditionHolds,
  type DeliverSignal,
  type DeliverSignalOutcome,
  engineError,
  evidenceOf,
  judgeSignal,
  limits,
  must,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import type { Answer } from '../library/invoke.js'
import { orNotFound } from '../library/not-found.js'
import { packEnd } from './child-ends.js'
import { tagOf, wholeId } from './ids.js'
import type { RememberedSuspension, RememberedSuspensions } from './remembered.js'
import { packJson, readCondition, readState } from './stored-suspension.js'
import { createTurns } from './turns.js'
import { waitpointNotFound } from './waitpoints.js'

type Verdict = LibraryFunctions['suspensions_deliver_signal']['args'][3]
type Told = Answer<'suspensions_deliver_signal'>

const unjudged: Verdict = ['', 0, 0, '', false, [], [], 0]

/**
 * Keeps signals, or counts them for the suspension that stands: judged here by what this process knows of it, else by what the store
 * shows, and applied if nothing changed it meanwhile. Deliveries of this process to one execution are judged one after the other.
 */
export function createSignalDelivery(ctx: ValkeyContext, remembered: RememberedSuspensions) {
  const turns = createTurns()
  return async (params: DeliverSignal): Promise<DeliverSignalOutcome> => {
    checkDeliverSignal(params, await ctx.partitions())
    const known = remembered.take(params.waitpointId)
    const verdict = guess(params, known)
    const sent = send(ctx, params, verdict)
    // Who waits for such work asks right behind it, instead of when it was answered.
    if (holds(verdict) && known?.resumes !== undefined) {
      ctx.expectReady(partitionIndexOf(params.waitpointId), known.resumes)
    }
    const told = await sent
    if (told.reply[0] !== 'judge') return toOutcome(params, told.reply)
    return turns.take(String(told.reply[3]), () => judgeAndApply(ctx, params, told))
  }
}

async function judgeAndApply(
  ctx: ValkeyContext,
  params: DeliverSignal,
  first: Told,
): Promise<DeliverSignalOutcome> {
  let told = first
  for (let tries = 1; tries < limits.signalTriesMax; tries += 1) {
    const verdict = judgeTold(params, told)
    if (verdict === 'not_matched') return { outcome: 'not_matched' }
    told = await send(ctx, params, verdict)
    if (told.reply[0] !== 'judge') return toOutcome(params, told.reply)
  }
  throw engineError('retry_exhausted', 'Others changed the suspension again and again', {
    tries: limits.signalTriesMax,
  })
}

function send(ctx: ValkeyContext, params: DeliverSignal, verdict: Verdict): Promise<Told> {
  const { namespace, waitpointId, signalId, name, idempotencyKey, payload, source } = params
  return orNotFound(
    ctx.invoke({
      name: 'suspensions_deliver_signal',
      tag: tagOf(waitpointId),
      args: [
        namespace,
        uuidOf(waitpointId),
        [uuidOf(signalId), name, idempotencyKey, payload === null ? 0 : 1, source ?? false],
        verdict,
      ],
      bytes: payload === null ? [] : [payload],
    }),
    () => waitpointNotFound(waitpointId),
  )
}

const holds = ([word, , , , isMet]: Verdict) => word === 'c' && isMet

/** What a signal is not refused by: only the store's own word is. */
function guess(params: DeliverSignal, known: RememberedSuspension | undefined): Verdict {
  if (known === undefined) return unjudged
  try {
    const verdict = judge(params, known)
    return verdict === 'not_matched' ? unjudged : verdict
  } catch {
    return unjudged
  }
}

/** Throws `payload_opaque`. */
function judgeTold(params: DeliverSignal, { reply, bytes }: Told): Verdict | 'not_matched' {
  const [, revision, sequence, , sinceMs] = reply
  return judge(params, {
    condition: readCondition(must(bytes[0], 'a condition')),
    state: readState(must(bytes[1], 'its state')),
    stamp: { revision: Number(revision), sinceMs: Number(sinceMs), signals: Number(sequence) - 1 },
  })
}

/** Throws `payload_opaque`. */
function judge(
  params: DeliverSignal,
  { condition, state: before, stamp: { revision, sinceMs, signals: known } }: RememberedSuspension,
): Verdict | 'not_matched' {
  const sequence = known + 1
  const signal = { ...params, sequence }
  const { state, verdict } = judgeSignal(condition, before, signal)
  switch (verdict) {
    case 'opaque':
      throw engineError('payload_opaque', 'The condition looks into the payload, which is no JSON')
    case 'not_matched':
      return verdict
    case 'counted': {
      const { signals, children } = evidenceOf(condition, state)
      const holds = conditionHolds(condition, state)
      return ['c', revision, sequence, packJson(state), holds, [...signals], children.map(packEnd), sinceMs]
    }
    default:
      return ['n', revision, sequence, '', false, [], [], sinceMs]
  }
}

function toOutcome(
  { signalId, waitpointId }: DeliverSignal,
  [outcome, known]: readonly unknown[],
): DeliverSignalOutcome {
  switch (outcome) {
    case 'accepted':
    case 'satisfied':
    case 'buffered':
      return { outcome, signalId }
    case 'duplicate':
      return { outcome, signalId: wholeId(partitionIndexOf(waitpointId), known) }
    case 'waitpoint_closed':
    case 'too_many_signals':
      return { outcome }
    default:
      throw engineError('corruption', `a signal was answered ${String(outcome)}`, { subject: 'signal' })
  }
}
