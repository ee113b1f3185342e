import {
  type CancelCause,
  type ExecutionId,
  engineError,
  type FlowId,
  type FlowState,
  type GroupDecision,
  type JoinPolicy,
  makeExecutionId,
  type PublicState,
  type RunOn,
  type TerminalOutcome,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { causeLetters, outcomeLetters, publicStateLetters } from '../records/letters.js'
import { decisionLetters, inverted, joinKindLetters, readFlowState, runOnLetters } from './flow-letters.js'
import { orFlowNotFound, placeOf } from './flow-place.js'

/** What a judgement of a whole graph looks at of a member. */
export interface MemberFacts {
  readonly id: ExecutionId
  readonly publicState: PublicState
  readonly outcome: TerminalOutcome
  readonly cancelCause: CancelCause | null
  /** Its group has not let it go. */
  readonly dependencyBlocked: boolean
  readonly replayCount: number
  readonly name: string | null
  readonly hasDownstreams: boolean
  /** An attempt of its present generation started. */
  readonly attemptStarted: boolean
  /** `null` on a node without upstreams. A policy that this version doesn't know has no kind. */
  readonly group: {
    readonly kind: JoinPolicy['kind'] | null
    readonly runOn: RunOn
    readonly state: GroupDecision
  } | null
  readonly upstreams: readonly ExecutionId[]
  /** Recorded run time of all its attempts. */
  readonly runMs: number
  readonly firstStartAtMs: number | null
  readonly generation: number
}

/** A graph as it was at one revision, generation and change of its flow. */
export interface GraphFacts {
  readonly state: FlowState
  readonly revision: number
  readonly generation: number
  /** Raised by every change of the flow or a member: what was read over several calls may be of several of these. */
  readonly change: number
  /** Whether all of it is as of that change. */
  readonly isOfOneMoment: boolean
  /** Store time at which the last of them were read. */
  readonly readAtMs: number
  /** In order of creation. */
  readonly members: readonly MemberFacts[]
}

/** Members of one call. */
const MEMBERS_MAX = 200
const TRIES_MAX = 5

/**
 * Reads the whole graph, in calls of bounded size. Revision and generation are the same for all of them; whoever writes by
 * what was read says so, and is refused when the flow has moved on. Throws `flow_not_found`, `contention`.
 */
export async function readFacts(ctx: ValkeyContext, flowId: FlowId): Promise<GraphFacts> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const facts = await tryReadFacts(ctx, flowId)
    if (facts !== undefined) return facts
  }
  throw engineError('contention', `Flow ${flowId} grew while it was read`)
}

async function tryReadFacts(ctx: ValkeyContext, flowId: FlowId): Promise<GraphFacts | undefined> {
  const { partition, tag } = await placeOf(ctx, flowId)
  const members: MemberFacts[] = []
  let first: readonly [revision: number, generation: number, change: number] | undefined
  for (;;) {
    const { reply, news } = await orFlowNotFound(
      flowId,
      ctx.invoke({ name: 'flows_facts', tag, args: [flowId, members.length + 1, MEMBERS_MAX] }),
    )
    const [state, revision, generation, change, total, rows] = reply
    first ??= [revision, generation, change]
    if (first[0] !== revision || first[1] !== generation) return undefined
    members.push(...asList(rows).map((row) => toFacts(partition, row)))
    if (members.length >= total) {
      const isOfOneMoment = first[2] === change
      return {
        state: readFlowState(state),
        revision,
        generation,
        change,
        isOfOneMoment,
        readAtMs: news.nowMs,
        members,
      }
    }
    if (asList(rows).length === 0)
      throw engineError('corruption', `flow ${flowId} has fewer members than it says`, { subject: flowId })
  }
}

const UUID_CHARS = 36
const kinds = inverted(joinKindLetters)
const runOns = inverted(runOnLetters)
const decisions = inverted(decisionLetters)

/** As `shared/facts.lua` answers it. */
function toFacts(partition: number, row: readonly unknown[]): MemberFacts {
  const [
    id,
    publicState,
    outcome,
    cause,
    deps,
    replays,
    name,
    outs,
    started,
    group,
    ups,
    runMs,
    first,
    generation,
  ] = row
  const upstreams = String(ups)
  return {
    id: makeExecutionId(partition, String(id)),
    publicState: publicStateLetters.read(publicState),
    outcome: outcomeLetters.read(outcome),
    cancelCause: cause === '' ? null : causeLetters.read(cause),
    dependencyBlocked: deps === 1,
    replayCount: Number(replays),
    name: name === '' ? null : String(name),
    hasDownstreams: outs === 1,
    attemptStarted: started === 1,
    group: Array.isArray(group) ? toGroupFacts(group) : null,
    upstreams: Array.from({ length: upstreams.length / UUID_CHARS }, (_, place) =>
      makeExecutionId(partition, upstreams.slice(place * UUID_CHARS, (place + 1) * UUID_CHARS)),
    ),
    runMs: Number(runMs),
    firstStartAtMs: first === 0 ? null : Number(first),
    generation: Number(generation),
  }
}

function toGroupFacts([kind, runOn, state]: readonly unknown[]): NonNullable<MemberFacts['group']> {
  return {
    kind: kinds.get(String(kind)) ?? null,
    runOn: runOns.get(String(runOn)) ?? 'groupSatisfied',
    state: decisions.get(String(state)) ?? 'pending',
  }
}

/** The edges of a graph. */
export function edgesOf(
  members: readonly MemberFacts[],
): readonly { readonly from: ExecutionId; readonly to: ExecutionId }[] {
  return members.flatMap(({ id, upstreams }) => upstreams.map((from) => ({ from, to: id })))
}
