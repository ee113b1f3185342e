import type { ExecutionId, ExecutionSubmission, LaneId } from '@flowfabric/core'
import { describeWork } from '../flows/graph-builder.js'
import { hashCanonically } from '../payload/canonical-json.js'
import { type Codec, encodePayload } from '../payload/codec.js'
import { validate } from '../schema/validate.js'
import type { AnyTask } from '../tasks/task.js'
import type { SubmitOptions } from './submit-options.js'

/** The submission of one execution, its id minted. A promise only where a schema or the codec is asynchronous. */
export function describeSubmission(
  codec: Codec,
  task: AnyTask,
  input: unknown,
  options: SubmitOptions | undefined,
  mint: (lane: LaneId) => ExecutionId,
): ExecutionSubmission | Promise<ExecutionSubmission> {
  const checked = validate(task.input, input, `input of ${task.kind}`)
  const encoded = encodePayload(codec, input)
  const work = options === undefined ? describePlainWork(task) : describeWork(task, options)
  const { id, idempotencyKey, idempotencyTtlMs } = options ?? noOptions
  // Only what may be sent again by another call needs a hash of what it says: a repeat of this one has the same bytes.
  const inputHash = id === undefined && idempotencyKey === undefined ? undefined : hashCanonically(input)
  const finish = (bytes: ExecutionSubmission['input']): ExecutionSubmission => ({
    ...work,
    id: id ?? mint(work.lane),
    input: bytes,
    ...(inputHash !== undefined && { inputHash, idempotencyKey, idempotencyTtlMs }),
  })
  if (checked instanceof Promise || encoded instanceof Promise) {
    return Promise.all([encoded, checked]).then(([bytes]) => finish(bytes))
  }
  return finish(encoded)
}

const noOptions: SubmitOptions = {}
const plainWorks = new WeakMap<AnyTask, ReturnType<typeof describeWork>>()

/** What most submits say, made once for each task. */
function describePlainWork(task: AnyTask): ReturnType<typeof describeWork> {
  const known = plainWorks.get(task)
  if (known !== undefined) return known
  const work = describeWork(task, noOptions)
  plainWorks.set(task, work)
  return work
}
