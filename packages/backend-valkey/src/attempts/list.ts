import {
  type AttemptRecord,
  checkAttemptPage,
  type ExecutionId,
  type InstanceId,
  type ListAttempts,
  type Page,
  partitionIndexOf,
  uuidOf,
  type WorkerId,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { attemptFields as A } from '../generated/layouts.js'
import { orNotFound } from '../library/not-found.js'
import { attemptRecordStateLetters, attemptTypeLetters, endedByLetters } from '../records/letters.js'
import { unpack } from '../records/packing.js'
import { failureAt, numberAt, textAt, timeAt } from '../records/stored-execution.js'
import { readPage } from './position-page.js'

/** All attempts, oldest first, the running one included. */
export async function listAttempts(ctx: ValkeyContext, params: ListAttempts): Promise<Page<AttemptRecord>> {
  checkAttemptPage(params, await ctx.partitions())
  const { executionId, namespace } = params
  return readPage(params, async (from, limit) => {
    const { reply, bytes } = await orNotFound(
      ctx.invoke({
        name: 'attempts_list',
        tag: `fp:${partitionIndexOf(executionId)}`,
        args: [namespace, uuidOf(executionId), from, limit],
      }),
      () => executionNotFound(executionId),
    )
    return { items: bytes.map((packed) => readAttempt(executionId, packed)), total: reply[0] }
  })
}

function readAttempt(executionId: ExecutionId, packed: Uint8Array): AttemptRecord {
  const fields = unpack(packed, `an attempt of ${executionId}`) as readonly unknown[]
  const endedBy = textAt(fields, A.by)
  return {
    executionId,
    index: numberAt(fields, A.index),
    type: attemptTypeLetters.read(fields[A.type]),
    generation: numberAt(fields, A.generation),
    state: attemptRecordStateLetters.read(fields[A.state]),
    epoch: numberAt(fields, A.epoch),
    workerId: textAt(fields, A.worker) as WorkerId,
    instanceId: textAt(fields, A.instance) as InstanceId,
    startedAtMs: numberAt(fields, A.started),
    endedAtMs: timeAt(fields, A.ended),
    endedBy: endedBy === '' ? null : endedByLetters.read(endedBy),
    late: fields[A.late] === 1,
    failure: failureAt(fields, A.failure),
  }
}
