import {
  checkGetExecution,
  type ExplainFacts,
  type FlowId,
  type GetExecution,
  type LaneId,
  type LaneState,
  makeExecutionId,
  type Namespace,
  partitionIndexOf,
} from '@flowfabric/core'
import { explainDemands } from '../admission/explain-demands.js'
import type { ValkeyContext } from '../context.js'
import { readFlowState } from '../flows/flow-letters.js'
import { describePolicy, readGroup, toGroupView } from '../flows/stored-group.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { asList } from '../library/as-list.js'
import type { Answer } from '../library/invoke.js'
import { publicStateLetters } from '../records/letters.js'
import { toAttempt } from '../records/stored-attempt.js'
import { attemptOf, readStored, toExecution } from '../records/stored-execution.js'
import { routeOf } from '../routes/route-of.js'
import { readSuspension } from '../suspensions/stored-suspension.js'
import { createWorkers } from '../workers/index.js'
import { readDepth } from './count.js'
import { executionNotFound } from './get.js'
import { addressOf, operate } from './operate.js'

type Explained = Answer<'executions_explain'>

/**
 * One consistent reading of the execution and what lies in its partition. How many of its lane are active, and the workers,
 * lie elsewhere too, and may be a moment younger; `ahead` counts those of its partition, where order is promised.
 */
export async function explainFacts(ctx: ValkeyContext, params: GetExecution): Promise<ExplainFacts> {
  checkGetExecution(params, await ctx.partitions())
  const { namespace, id } = params
  const answer = await operate(ctx, params, {
    name: 'executions_explain',
    args: [namespace, addressOf(id).uuid],
  })
  const [record] = answer.bytes
  if (record === undefined) throw executionNotFound(id)
  const stored = readStored(record, id)
  const execution = toExecution(id, stored, await routeOf(ctx, partitionIndexOf(id), stored))
  const [active, workers, demands] = await Promise.all([
    countActive(ctx, namespace, execution.lane),
    readWorkers(ctx, namespace, execution.lane),
    explainDemands(ctx, partitionIndexOf(id), stored),
  ])
  const [[state, concurrency], ahead, flow] = answer.reply
  const last = attemptOf(stored)
  return {
    outcome: 'facts',
    execution,
    nowMs: answer.news.nowMs,
    lane: { state: state as LaneState, concurrency: concurrency || null, active },
    workers,
    ahead,
    flow: toFlowFacts(flow),
    group: toGroupFacts(partitionIndexOf(id), answer),
    lastAttempt: last === null ? null : toAttempt(id, last),
    suspension: readSuspension(partitionIndexOf(id), stored.fields, answer.bytes[answer.reply[5] - 1]),
    demands,
  }
}

async function countActive(ctx: ValkeyContext, namespace: Namespace, lane: LaneId): Promise<number> {
  const { flow } = await ctx.partitions()
  const counts = await Promise.all(
    Array.from({ length: flow }, (_, partition) =>
      readDepth(ctx, partition, namespace, { lane, states: ['active'] }),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

async function readWorkers(
  ctx: ValkeyContext,
  namespace: Namespace,
  lane: LaneId,
): Promise<ExplainFacts['workers']> {
  const { workers } = await createWorkers(ctx).list({ namespace, lane })
  return workers.map(({ instanceId, kinds, capabilities, draining }) => ({
    instanceId,
    kinds,
    capabilities,
    draining,
  }))
}

function toFlowFacts([
  id,
  letter,
  finalisers,
]: LibraryFunctions['executions_explain']['reply'][2]): ExplainFacts['flow'] {
  return id === '' ? null : { id: id as FlowId, state: readFlowState(letter), finalisers: finalisers === 1 }
}

function toGroupFacts(partition: number, { reply, bytes }: Explained): ExplainFacts['group'] {
  const [, , [flow], place, upstreams] = reply
  const packed = bytes[place - 1]
  if (packed === undefined) return null
  const group = readGroup(packed, `the group of a node of ${flow}`)
  const view = toGroupView(group)
  return {
    view,
    join: view.join,
    storedPolicy: describePolicy(group),
    pendingUpstreams: asList(upstreams).map(([uuid, name, letter]) => ({
      id: makeExecutionId(partition, uuid),
      name: name === '' ? null : name,
      publicState: publicStateLetters.read(letter),
    })),
  }
}
