import {
  type ClaimedExecution,
  encodeHandle,
  type FlowId,
  type LeaseId,
  makeExecutionId,
  must,
  type UpstreamResult,
} from '@flowfabric/core'
import { demandsOf } from '../admission/packed-demands.js'
import type { HandedOut, HandedUpstream } from '../channel/handed-out.js'
import type { ValkeyContext } from '../context.js'
import { attemptFields as A, executionFields as X } from '../generated/layouts.js'
import { attemptTypeLetters, publicStateLetters } from '../records/letters.js'
import {
  attemptOf,
  numberAt,
  readStored,
  type StoredExecution,
  tagsOf,
  textAt,
  timeAt,
  traceOf,
} from '../records/stored-execution.js'
import { readStep } from '../records/stored-step.js'
import type { Route } from '../routes/catalogue.js'
import { knownRouteOf, routeOf } from '../routes/route-of.js'
import { readResumption } from '../suspensions/resumption.js'

/** What a claim handed out, and its place among what others were. */
export interface RankedExecution {
  readonly claimed: ClaimedExecution
  readonly score: number
  readonly sequence: number
}

function toRanked(
  partition: number,
  handed: HandedOut,
  stored: StoredExecution,
  route: Route,
): RankedExecution {
  const { id, input } = handed
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
    resumption: handed.resumption === null ? null : readResumption(partition, handed.resumption),
    budgets: demandsOf(fields).budgets,
    tags: tagsOf(stored),
    traceContext: traceOf(stored),
  }
  return { claimed, score: numberAt(fields, X.score), sequence: numberAt(fields, X.seq) }
}

/**
 * What a claim handed out, for its worker. One that does not decode is left to its lease's timer, and told only when there
 * is nothing else to answer.
 */
export async function toRankedEach(
  ctx: Pick<ValkeyContext, 'catalogue' | 'invoke'>,
  partition: number,
  handed: readonly HandedOut[],
): Promise<readonly RankedExecution[]> {
  const ranked: RankedExecution[] = []
  const faults: unknown[] = []
  for (const each of handed) {
    try {
      const stored = readStored(each.record, each.id)
      const route = knownRouteOf(ctx, stored) ?? (await routeOf(ctx, partition, stored))
      ranked.push(toRanked(partition, each, stored, route))
    } catch (fault) {
      faults.push(fault)
    }
  }
  if (faults.length > 0 && ranked.length === 0) throw faults[0]
  return ranked
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

/** Best first: by score, and where it is the same, by the order of acceptance. */
export function inOrder(ranked: readonly RankedExecution[]): readonly ClaimedExecution[] {
  return [...ranked]
    .sort((one, other) => one.score - other.score || one.sequence - other.sequence)
    .map(({ claimed }) => claimed)
}
