import {
  checkReplayFlow,
  type ExecutionId,
  engineError,
  type FlowState,
  type ReplayFlow,
  type ReplayFlowOutcome,
  replayPlanOf,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { flowFields as F } from '../generated/layouts.js'
import { outcomeLetters } from '../records/letters.js'
import { finishEnding, finishReplay, MEMBERS_PER_STEP } from './finish.js'
import { readFlowState } from './flow-letters.js'
import { orFlowNotFound, placeOf } from './flow-place.js'
import { edgesOf, type GraphFacts, type MemberFacts, readFacts } from './read-facts.js'
import { readFlow } from './read-flow.js'
import { bringInputs, type NewInput, readInputs } from './replay-inputs.js'

/** Plans that are made anew when something changed since the graph was read; the last of them only ask for what they touch. */
const TRIES_MAX = 6
const STRICT_TRIES = 3

/** Of the chosen ones, only those that still are of these generations. */
export type ExpectedGenerations = ReadonlyMap<ExecutionId, number>

/** New inputs that go along with the step itself; more are brought beforehand. */
const INPUT_BYTES_MAX = 1_048_576

/**
 * Reopens members of a flow with their descendants. A small replay is one step; a larger one sets the flow to `replaying`, in
 * which nothing is claimed, decided or added, and goes on in steps that any dispatcher can finish.
 */
export async function replayFlow(
  ctx: ValkeyContext,
  params: ReplayFlow,
  expected?: ExpectedGenerations,
): Promise<ReplayFlowOutcome> {
  checkReplayFlow(params, await ctx.partitions())
  for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
    const answer = await tryReplay(ctx, params, tries <= STRICT_TRIES, expected)
    if (answer !== undefined) return answer
  }
  throw engineError('contention', `Flow ${params.flowId} changed while its replay was planned`)
}

/** Answers nothing when something changed meanwhile. `isStrict`: nothing at all may have. */
async function tryReplay(
  ctx: ValkeyContext,
  params: ReplayFlow,
  isStrict: boolean,
  expected: ExpectedGenerations | undefined,
): Promise<ReplayFlowOutcome | undefined> {
  const { namespace, flowId } = params
  const { flow } = await readFlow(ctx, namespace, flowId)
  const facts = await orFlowNotFound(flowId, readFacts(ctx, flowId))
  refuseStrangers(facts.members, params)
  if (!isReplayable(flow.state, flow.fields[F.policy]))
    return { outcome: 'flow_not_open', flowState: flow.state }
  if (isStrict && !facts.isOfOneMoment) return undefined
  const plan = replayPlanOf(facts.members, edgesOf(facts.members), chosenOf(facts.members, params, expected))
  if (plan.outcome !== 'plan') return plan
  const isDone = await carryOut(ctx, params, facts, new Set(plan.ids), isStrict)
  if (isDone === 'again') return undefined
  return isDone === 'replayed' ? { outcome: 'replayed', ids: plan.ids } : isDone
}

/** A member's generation rises with its flow's alone, by which the step that carries the plan out is fenced. */
function chosenOf(
  members: readonly MemberFacts[],
  { from }: ReplayFlow,
  expected: ExpectedGenerations | undefined,
): ReplayFlow['from'] {
  if (expected === undefined || from === 'failed') return from
  const generations = new Map(members.map(({ id, generation }) => [id, generation]))
  return from.filter((id) => generations.get(id) === expected.get(id))
}

/** Throws `unknown_node` for a chosen id, or one with a new input, that is no member. */
function refuseStrangers(members: readonly MemberFacts[], { from, inputs = [], flowId }: ReplayFlow): void {
  const known = new Set(members.map(({ id }) => id))
  const named = [...(from === 'failed' ? [] : from), ...inputs.map(({ id }) => id)]
  const stranger = named.find((id) => !known.has(id))
  if (stranger === undefined) return
  throw engineError('unknown_node', `${stranger} is no member of flow ${flowId}`, { node: stranger })
}

const FLOW_ONLY = 'f'

function isReplayable(state: FlowState, cancelPolicy: unknown): boolean {
  if (state === 'cancelled') return cancelPolicy !== FLOW_ONLY
  return state === 'open' || state === 'completed' || state === 'failed'
}

/** By the plan, if the flow and these members still are as it saw them. */
async function carryOut(
  ctx: ValkeyContext,
  params: ReplayFlow,
  { revision, generation, change, members }: GraphFacts,
  ids: ReadonlySet<ExecutionId>,
  isStrict: boolean,
): Promise<'replayed' | 'again' | Extract<ReplayFlowOutcome, { readonly outcome: 'flow_not_open' }>> {
  const { namespace, flowId } = params
  const { tag } = await placeOf(ctx, flowId)
  const inputs = await readInputs(ctx, params, ids)
  const size = inputs.reduce((sum, { input }) => sum + (input?.byteLength ?? 0), 0)
  const isStaged = ids.size > MEMBERS_PER_STEP || size > INPUT_BYTES_MAX
  const bytes: Uint8Array[] = []
  const ofRow = new Map(isStaged ? [] : inputs.map((each) => [each.id, each]))
  const { reply } = await orFlowNotFound(
    flowId,
    ctx.invoke({
      name: 'flows_replay_begin',
      tag,
      args: [
        namespace,
        flowId,
        revision,
        generation,
        change,
        isStrict,
        members.filter(({ id }) => ids.has(id)).map((member) => toRow(member, ofRow.get(member.id), bytes)),
        isStaged,
        isStaged && inputs.length > 0,
      ],
      bytes,
    }),
  )
  const [word, detail] = reply
  switch (word) {
    case 'replayed':
      return 'replayed'
    case 'flow_not_open':
      return { outcome: 'flow_not_open', flowState: readFlowState(detail) }
    case 'finish_ending':
      await finishEnding(ctx, flowId)
      return 'again'
    case 'begun': {
      if (!(await bringInputs(ctx, flowId, String(detail), inputs))) return 'again'
      const finished = await finishReplay(ctx, flowId)
      return finished.generation > generation ? 'replayed' : 'again'
    }
    default:
      return 'again'
  }
}

type Row = [id: string, outcome: string, how: string, place: number, hash: string]

function toRow({ id, outcome }: MemberFacts, fork: NewInput | undefined, bytes: Uint8Array[]): Row {
  const seen = outcomeLetters.write(outcome)
  if (fork === undefined) return [uuidOf(id), seen, 'k', 0, '']
  if (fork.input === null) return [uuidOf(id), seen, 'n', 0, fork.hash]
  return [uuidOf(id), seen, 'b', bytes.push(fork.input), fork.hash]
}
