import type { ExecutionId, ExecutionSubmission, LaneId, ParentLink } from '@flowfabric/core'
import { describeWork, type Work } from '../flows/graph-builder.js'
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
  parent?: ParentLink,
): ExecutionSubmission | Promise<ExecutionSubmission> {
  const checked = validate(task.input, input, `input of ${task.kind}`)
  const encoded = encodePayload(codec, input)
  const work = describeWork(task, options)
  const { id, idempotencyKey, idempotencyTtlMs } = options ?? noOptions
  // Only what may be sent again by another call needs a hash of what it says: a repeat of this one has the same bytes.
  const inputHash = id === undefined && idempotencyKey === undefined ? undefined : hashCanonically(input)
  const finish = (bytes: ExecutionSubmission['input']): ExecutionSubmission =>
    makeSubmission(work, {
      id: id ?? mint(work.lane),
      input: bytes,
      inputHash,
      idempotencyKey,
      idempotencyTtlMs: inputHash === undefined ? undefined : idempotencyTtlMs,
      parent,
    })
  if (checked instanceof Promise || encoded instanceof Promise) {
    return Promise.all([encoded, checked]).then(([bytes]) => finish(bytes))
  }
  return finish(encoded)
}

/** Every field is named, in one order: what is alike in shape is read at once by all who check and store it. */
function makeSubmission(
  work: Work,
  own: Omit<ExecutionSubmission, keyof Work>,
): Record<keyof ExecutionSubmission, unknown> & ExecutionSubmission {
  return {
    id: own.id,
    kind: work.kind,
    lane: work.lane,
    input: own.input,
    inputHash: own.inputHash,
    priority: work.priority,
    capabilities: work.capabilities,
    tags: work.tags,
    retry: work.retry,
    timeouts: work.timeouts,
    startAtMs: work.startAtMs,
    delayMs: work.delayMs,
    retentionMs: work.retentionMs,
    maxReclaims: work.maxReclaims,
    traceContext: work.traceContext,
    budgets: work.budgets,
    quotas: work.quotas,
    idempotencyKey: own.idempotencyKey,
    idempotencyTtlMs: own.idempotencyTtlMs,
    parent: own.parent,
  }
}

const noOptions: SubmitOptions = {}
