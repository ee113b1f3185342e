import {
  type Bytes,
  checkGetFlow,
  type ExecutionId,
  engineError,
  type FlowId,
  type FlowResultOutcome,
  type GetFlow,
  makeExecutionId,
  type PublicState,
  settlementOf,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { executionFields as X } from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { readStored, textAt } from '../records/stored-execution.js'
import { placeOf } from './flow-place.js'
import { edgesOf, type MemberFacts, readFacts } from './read-facts.js'
import { readFlow } from './read-flow.js'

/** Members whose ends are the flow's failures, at most so many are told. */
const FAILURES_MAX = 100
/** Results of one call: each may be long. */
const RESULTS_MAX = 16

/** Which members make a flow's result. Their results stay where they are as long as the flow. */
export interface FrozenResult {
  /** UUIDs of the named sinks that succeeded. */
  readonly sinks: readonly string[]
  readonly failures: readonly {
    readonly id: string
    readonly name: string | null
    readonly publicState: PublicState
  }[]
}

/** The named sinks that succeeded, and what failed without being absorbed. */
export async function getFlowResult(ctx: ValkeyContext, params: GetFlow): Promise<FlowResultOutcome> {
  checkGetFlow(params)
  const { namespace, flowId } = params
  const { flow, frozen } = await readFlow(ctx, namespace, flowId)
  const { state } = flow
  if (state !== 'completed' && state !== 'failed' && state !== 'cancelled')
    return { outcome: 'pending', flowState: state }
  const { partition } = await placeOf(ctx, flowId)
  const { sinks, failures } =
    frozen === null ? selectResult((await readFacts(ctx, flowId)).members) : readFrozen(frozen, flowId)
  return {
    outcome: state,
    results: await readResults(ctx, flowId, sinks),
    failures: failures.map(({ id, name, publicState }) => ({
      id: makeExecutionId(partition, id),
      name,
      publicState,
    })),
  }
}

/** Which members' ends are the flow's result and failures, as of when they were read. */
export function selectResult(members: readonly MemberFacts[]): FrozenResult {
  const unabsorbed = new Set<ExecutionId>(judgeFlow(members).unabsorbed)
  return {
    sinks: members
      .filter(
        ({ name, hasDownstreams, outcome }) => name !== null && !hasDownstreams && outcome === 'success',
      )
      .map(({ id }) => uuidOf(id)),
    failures: members
      .filter(({ id }) => unabsorbed.has(id))
      .slice(0, FAILURES_MAX)
      .map(({ id, name, publicState }) => ({ id: uuidOf(id), name, publicState })),
  }
}

/** How a flow ends by what its ended members came to: by the absorption rule. */
export function judgeFlow(members: readonly MemberFacts[]) {
  return settlementOf(
    members.flatMap(({ id, outcome, cancelCause, attemptStarted, group }) =>
      outcome === 'none'
        ? []
        : [
            {
              id,
              outcome,
              cancelCause,
              attemptStarted,
              runOn: group?.runOn ?? 'groupSatisfied',
              group: group === null ? null : { policy: group.kind ?? 'all_of', state: group.state },
            },
          ],
    ),
    edgesOf(members),
  )
}

function readFrozen(text: Uint8Array, flowId: FlowId): FrozenResult {
  try {
    return JSON.parse(Buffer.from(text).toString()) as FrozenResult
  } catch (cause) {
    const message = `The result of flow ${flowId} does not decode`
    throw engineError('corruption', message, { subject: flowId }, { cause })
  }
}

/** By name. */
async function readResults(
  ctx: ValkeyContext,
  flowId: FlowId,
  uuids: readonly string[],
): Promise<Readonly<Record<string, Bytes | null>>> {
  const { tag } = await placeOf(ctx, flowId)
  const entries: (readonly [string, Bytes | null])[] = []
  for (let from = 0; from < uuids.length; from += RESULTS_MAX) {
    const ids = uuids.slice(from, from + RESULTS_MAX)
    const { reply, bytes } = await ctx.invoke({ name: 'executions_get_results', tag, args: [ids] })
    asList(reply).forEach(([recordPlace, resultPlace], place) => {
      const record = bytes[recordPlace - 1]
      if (record === undefined) return
      const stored = readStored(record, ids[place] ?? '')
      const result = stored.result === 'outside' ? (bytes[resultPlace - 1] ?? null) : stored.result
      entries.push([textAt(stored.fields, X.name), result])
    })
  }
  return Object.fromEntries(entries)
}
