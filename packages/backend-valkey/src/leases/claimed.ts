import {
  type ClaimedExecution,
  encodeHandle,
  type FlowId,
  type LeaseId,
  makeExecutionId,
  must,
  type UpstreamResult,
} from '@flowfabric/core'
import type { HandedOut, HandedUpstream } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import { attemptFields as A, executionFields as X } from '../generated/layouts.js'
import { attemptTypeLetters, publicStateLetters } from '../records/letters.js'
import {
  attemptOf,
  numberAt,
  readStored,
  specOf,
  tagsOf,
  textAt,
  timeAt,
} from '../records/stored-execution.js'
import { readStep } from '../records/stored-step.js'
import { routeOf } from '../routes/route-of.js'

/** What a claim handed out, for its worker. */
export async function toClaimed(
  ctx: Pick<ValkeyContext, 'catalogue' | 'invoke'>,
  partition: number,
  handed: HandedOut,
): Promise<ClaimedExecution> {
  const { id, record, input } = handed
  const stored = readStored(record, id)
  const route = await routeOf(ctx, partition, stored)
  const { fields } = stored
  const attempt = must(attemptOf(stored), `the attempt of ${id}`)
  const executionId = makeExecutionId(partition, id)
  const flow = textAt(fields, X.flow)
  const name = textAt(fields, X.name)
  const attemptIndex = numberAt(attempt, A.index)
  const leaseId = textAt(attempt, A.lease) as LeaseId
  const epoch = numberAt(attempt, A.epoch)
  const claimed: ClaimedExecution = {
    executionId,
    namespace: route.namespace,
    flowId: flow === '' ? null : (flow as FlowId),
    name: name === '' ? null : name,
    kind: route.kind,
    lane: route.lane,
    priority: numberAt(fields, X.priority),
    input: stored.input === 'outside' ? input : stored.input,
    attemptIndex,
    attemptType: attemptTypeLetters.read(attempt[A.type]),
    generation: numberAt(fields, X.generation),
    handle: encodeHandle({ executionId, attemptIndex, leaseId, epoch }),
    leaseExpiresAtMs: numberAt(attempt, A.expires),
    attemptDeadlineAtMs: timeAt(attempt, A.deadline),
    claimedAtMs: numberAt(attempt, A.leased),
    upstream: handed.upstream.map((each) => toUpstream(partition, each)),
    upstreamTruncated: handed.upstreamTruncated,
    steps: handed.steps.map(readStep),
    stepsTruncated: handed.stepsTruncated,
    tags: tagsOf(stored),
    traceContext: specOf(stored).trace ?? null,
  }
  places.set(claimed, { score: numberAt(fields, X.score), sequence: numberAt(fields, X.seq) })
  return claimed
}

/** One that does not decode is left to its lease's timer, and told only when there is nothing else to answer. */
export async function toClaimedEach(
  ctx: Pick<ValkeyContext, 'catalogue' | 'invoke'>,
  partition: number,
  handed: readonly HandedOut[],
): Promise<readonly ClaimedExecution[]> {
  const settled = await Promise.allSettled(handed.map((each) => toClaimed(ctx, partition, each)))
  const claimed = settled.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  const failed = settled.find((each) => each.status === 'rejected')
  if (failed !== undefined && claimed.length === 0) throw failed.reason
  return claimed
}

export function toUpstream(
  partition: number,
  { name, id, state, satisfied, result }: HandedUpstream,
): UpstreamResult {
  return {
    as: name,
    executionId: makeExecutionId(partition, id),
    publicState: publicStateLetters.read(state),
    satisfied,
    result,
  }
}

interface Place {
  readonly score: number
  readonly sequence: number
}

const places = new WeakMap<ClaimedExecution, Place>()

/** Best first: by score, and where it is the same, by the order of acceptance. */
export function inOrder(claimed: readonly ClaimedExecution[]): readonly ClaimedExecution[] {
  const placeOf = (each: ClaimedExecution): Place =>
    must(places.get(each), 'the place of a claimed execution')
  return [...claimed].sort((a, b) => {
    const [one, other] = [placeOf(a), placeOf(b)]
    return one.score - other.score || one.sequence - other.sequence
  })
}
