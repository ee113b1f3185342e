import {
  deriveUuid,
  type ExecutionId,
  hashInput,
  makeExecutionId,
  parseLaneId,
  requireFreeName,
  soloPartition,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import { describeSubmission } from '../client/describe-submission.js'
import type { SpawnedOptions } from '../tasks/handler-context.js'
import type { AnyTask } from '../tasks/task.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'

/**
 * Submits from inside a handler, exactly once: the id follows from this execution, its input and the name. It lies in
 * the first shard of its lane, however many the lane has, since it must be the same for every attempt.
 */
export async function submitFromHandler(
  core: WorkerCore,
  held: HeldLease,
  name: string,
  task: AnyTask,
  input: unknown,
  options: SpawnedOptions = {},
): Promise<ExecutionId> {
  requireFreeName(name, 'submit')
  const { executionId, namespace } = held.claimed
  const lane = options.lane === undefined ? task.spec.lane : parseLaneId(options.lane)
  // With its input: a replay with another one may submit other work under the same name.
  const uuid = deriveUuid('submitted', executionId, hashInput(held.claimed.input), name)
  const count = await core.partitionCount()
  const id = makeExecutionId(soloPartition({ namespace, lane, uuid, shards: 1, count }), uuid)
  const item = await describeSubmission(core.codec, task, input, { ...options, id }, () => id)
  const { items } = await callSafely(() => core.backend.executions.submit({ namespace, items: [item] }))
  const [outcome] = items
  if (outcome?.outcome === 'accepted' || outcome?.outcome === 'duplicate') return outcome.id
  throw refusalError(outcome ?? { outcome: 'unexpected_answer' }, id)
}
