import {
  type EngineError,
  type ExecutionSubmission,
  engineError,
  isEngineError,
  type SubmitExecutionOutcome,
} from '@flowfabric/core'
import { refusalError } from '../calls/refusals.js'
import type { AnyTask } from '../tasks/task.js'
import type { ClientCore } from './client-core.js'
import type { Submitted } from './create-client.js'
import { describeSubmission } from './describe-submission.js'
import { createExecutionHandle, type ExecutionHandle } from './execution-handle.js'
import type { SubmitOptions } from './submit-options.js'

export async function submitExecution<Output>(
  core: ClientCore,
  task: AnyTask,
  input: unknown,
  options?: SubmitOptions,
): Promise<ExecutionHandle<Output>> {
  const loading = core.placement.prepare()
  if (loading !== undefined) await loading
  const described = describeSubmission(core.codec, task, input, options, core.placement.mint)
  const submission = described instanceof Promise ? await described : described
  const outcome = await core.submits.add(submission)
  if (outcome.outcome === 'accepted' || outcome.outcome === 'duplicate') {
    return createExecutionHandle(core, outcome.id, outcome.outcome === 'duplicate')
  }
  throw refusalError(outcome, submission.id)
}

/** Inputs that fail their own check are not sent; the others are. */
export async function submitExecutions<Input, Output>(
  core: ClientCore,
  task: AnyTask,
  inputs: readonly Input[],
  options?: SubmitOptions | ((input: Input, index: number) => SubmitOptions),
): Promise<readonly Submitted<Output>[]> {
  await core.placement.prepare()
  const describing = inputs.map((input, index) =>
    describeOrRefuse(core, task, input, typeof options === 'function' ? options(input, index) : options),
  )
  const described = await allOf(describing)
  const good = described.filter((each): each is ExecutionSubmission => !isEngineError(each))
  const outcomes = await core.submits.addAll(good)
  let next = 0
  return described.map((each) =>
    isEngineError(each) ? refuse(each) : readOutcome<Output>(core, outcomes[next++], each),
  )
}

/** A promise only where `describeSubmission` answers one. */
function describeOrRefuse(
  core: ClientCore,
  task: AnyTask,
  input: unknown,
  options: SubmitOptions | undefined,
): ExecutionSubmission | EngineError | Promise<ExecutionSubmission | EngineError> {
  try {
    const described = describeSubmission(core.codec, task, input, options, core.placement.mint)
    return described instanceof Promise ? described.catch(refuseOrReject) : described
  } catch (error) {
    return refuseOrReject(error)
  }
}

function refuseOrReject(error: unknown): EngineError | Promise<never> {
  return isEngineError(error) ? error : Promise.reject(error)
}

/** Waits only for what has to be waited for: most lists hold no promise. */
function allOf<Value>(
  list: readonly (Value | Promise<Value>)[],
): readonly Value[] | Promise<readonly Value[]> {
  return list.some((each) => each instanceof Promise) ? Promise.all(list) : (list as readonly Value[])
}

function readOutcome<Output>(
  core: ClientCore,
  outcome: SubmitExecutionOutcome | undefined,
  submission: ExecutionSubmission,
): Submitted<Output> {
  if (outcome === undefined) {
    return refuse(
      engineError('unexpected_answer', 'An answer has fewer items than its call', { status: 200 }),
    )
  }
  if (outcome.outcome === 'accepted' || outcome.outcome === 'duplicate') {
    const handle = createExecutionHandle<Output>(core, outcome.id, outcome.outcome === 'duplicate')
    return { outcome: outcome.outcome, handle }
  }
  return refuse(refusalError(outcome, submission.id))
}

function refuse(error: EngineError): { readonly outcome: 'error'; readonly error: EngineError } {
  return { outcome: 'error', error }
}
