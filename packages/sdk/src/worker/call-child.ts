import {
  deriveUuid,
  type ExecutionId,
  engineError,
  type FlowId,
  hashInput,
  makeExecutionId,
  type ParentLink,
  parseFlowId,
  parseLaneId,
  partitionOfFlow,
  requireFreeName,
  type StepRecord,
  soloPartition,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import { describeFlow } from '../client/describe-flow.js'
import { describeSubmission } from '../client/describe-submission.js'
import { CallFailedError } from '../errors.js'
import type { FlowDefinition } from '../flows/define-flow.js'
import { decodePayload } from '../payload/codec.js'
import { decodeResults } from '../payload/decode-results.js'
import type { CallFlowOptions, CallOptions } from '../tasks/handler-context.js'
import type { AnyTask } from '../tasks/task.js'
import { awaitCondition } from './await-condition.js'
import { type CallEnd, readExecutionCall, readFlowCall, readRecordedCall, writeCall } from './call-end.js'
import type { HeldLease } from './held-lease.js'
import type { Journal } from './journal.js'
import type { WorkerCore } from './worker-core.js'

export type Callee = AnyTask | FlowDefinition<unknown, unknown>

/**
 * `ctx.call`: submits a child, exactly once, and waits for its end. Its id follows from this execution, its input and the
 * name. The end is recorded, so that later attempts see what this one saw, whatever becomes of the child.
 */
export async function callChild(
  core: WorkerCore,
  held: HeldLease,
  journal: Journal,
  name: string,
  callee: Callee,
  input: unknown,
  options: CallOptions & CallFlowOptions = {},
): Promise<unknown> {
  requireFreeName(name, 'call')
  const known = journal.take(name, 'call')
  const { detached = false, ...rest } = options
  const parent: ParentLink = { id: held.claimed.executionId, detached }
  const child: Child =
    'plan' in callee
      ? await nameFlow(core, held, name, callee, input, rest, parent)
      : await nameExecution(core, held, name, callee, input, rest, parent)
  const end = known === undefined ? await awaitEnd(core, held, journal, name, child) : readRecordedCall(known)
  return settle(core, name, child, end)
}

interface Child {
  readonly id: ExecutionId | FlowId
  readonly submit: () => Promise<void>
  readonly readEnd: () => Promise<CallEnd | undefined>
  /** Of a flow: the nodes of its results, by the keys of its definition. */
  readonly results?: Readonly<Record<string, string>>
}

async function nameExecution(
  core: WorkerCore,
  { claimed }: HeldLease,
  name: string,
  task: AnyTask,
  input: unknown,
  options: CallOptions,
  parent: ParentLink,
): Promise<Child> {
  const { executionId, namespace } = claimed
  const lane = options.lane === undefined ? task.spec.lane : parseLaneId(options.lane)
  const uuid = deriveUuid('called', executionId, hashInput(claimed.input), name)
  const count = await core.partitionCount()
  // In the first shard of its lane, as what `ctx.submit` submits: it must be the same for every attempt.
  const id = makeExecutionId(soloPartition({ namespace, lane, uuid, shards: 1, count }), uuid)
  return {
    id,
    async submit() {
      const item = await describeSubmission(core.codec, task, input, { ...options, id }, () => id, parent)
      const { items } = await callSafely(() => core.backend.executions.submit({ namespace, items: [item] }))
      const [outcome] = items
      if (outcome?.outcome !== 'accepted' && outcome?.outcome !== 'duplicate') {
        throw refusalError(outcome ?? { outcome: 'unexpected_answer' }, id)
      }
    },
    readEnd: async () => {
      const { items } = await callSafely(() => core.backend.executions.getResult({ namespace, ids: [id] }))
      return readExecutionCall(items[0])
    },
  }
}

async function nameFlow(
  core: WorkerCore,
  { claimed }: HeldLease,
  name: string,
  definition: FlowDefinition<unknown, unknown>,
  input: unknown,
  options: CallFlowOptions,
  parent: ParentLink,
): Promise<Child> {
  const { executionId, namespace } = claimed
  const flowId = parseFlowId(deriveUuid('called', executionId, hashInput(claimed.input), name))
  const partition = partitionOfFlow(flowId, await core.partitionCount())
  const { graph, materialise } = describeFlow(core.codec, definition, input, flowId, partition)
  return {
    id: flowId,
    results: graph.results,
    async submit() {
      const params = {
        namespace,
        flowId,
        name: definition.name,
        ...options,
        parent,
        ...(await materialise(true)),
      }
      const answer = await callSafely(() => core.backend.flows.submit(params))
      if (answer.outcome !== 'accepted' && answer.outcome !== 'duplicate') throw refusalError(answer, flowId)
    },
    readEnd: async () =>
      readFlowCall(await callSafely(() => core.backend.flows.getResult({ namespace, flowId }))),
  }
}

async function awaitEnd(
  core: WorkerCore,
  held: HeldLease,
  journal: Journal,
  name: string,
  child: Child,
): Promise<CallEnd> {
  await child.submit()
  const condition = { kind: 'child', id: child.id } as const
  const { children, by } = await awaitCondition(core, held, `call:${name}`, { reason: 'child', condition })
  const told = children.find(({ id }) => id === child.id)
  // An operator would not let it wait on.
  if (told === undefined) {
    throw engineError('execution_active', `${child.id} has not ended, and waiting for it was ended (${by})`)
  }
  const end = told.outcome === 'not_found' ? ({ outcome: 'not_found' } as const) : await child.readEnd()
  if (end === undefined) {
    throw engineError('execution_active', `${child.id} runs again since it has ended as ${told.outcome}`)
  }
  const recorded: StepRecord | undefined = await journal.record(name, 'call', writeCall(end))
  return recorded === undefined ? end : readRecordedCall(recorded)
}

async function settle(core: WorkerCore, name: string, child: Child, end: CallEnd): Promise<unknown> {
  if (end.outcome === 'success') return decodePayload(core.codec, end.result)
  if (end.outcome === 'completed') return decodeResults(core.codec, end.results, child.results)
  throw new CallFailedError({
    call: name,
    childId: child.id,
    outcome: end.outcome,
    failure: 'failure' in end ? end.failure : null,
    cancelCause: 'cancelCause' in end ? end.cancelCause : null,
    failures: 'failures' in end ? end.failures : [],
  })
}
