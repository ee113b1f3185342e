import {
  type ClientBackend,
  type CountedGroup,
  type CountGrouping,
  type DeliverSignalOutcome,
  type EngineError,
  type Execution,
  type ExecutionFilter,
  type ExecutionId,
  type Flow,
  type FlowId,
  type ListFlows,
  limits,
  type Namespace,
  type Page,
  type PageRequest,
  parseExecutionId,
  parseFlowId,
  parseLaneId,
  type SubmitterBackend,
} from '@flowfabric/core'
import { CallBatcher } from '../calls/call-batcher.js'
import { callSafely, clientRetryBounds, type RetryBounds } from '../calls/call-safely.js'
import { type Connect, openConnection } from '../connection/connection.js'
import type { FlowDefinition } from '../flows/define-flow.js'
import { type Codec, jsonCodec } from '../payload/codec.js'
import type { NoUpstream, Task } from '../tasks/task.js'
import type { ClientCore } from './client-core.js'
import { Ends } from './ends.js'
import { createExecutionHandle, type ExecutionHandle } from './execution-handle.js'
import { createFlowHandle, type FlowHandle } from './flow-handle.js'
import { type EventBatch, type FollowOptions, followEvents } from './follow-events.js'
import { type Budgets, createBudgets, createQuotas, type Quotas } from './limits.js'
import { type BulkWork, createBulkWork } from './operations.js'
import { Placement } from './placement.js'
import { createSchedules, type Schedules } from './schedules.js'
import { submitExecution, submitExecutions } from './submit-execution.js'
import { type FlowSubmitOptions, submitFlow } from './submit-flow.js'
import type { SubmitOptions, TaskInput } from './submit-options.js'
import { type SignalOptions, sendSignalByToken, type WaitpointBearer } from './waitpoints.js'
import { createWebhooks, type Webhooks } from './webhooks.js'

export interface ClientOptions {
  readonly connect: Connect<ClientBackend>
  /** Default JSON. */
  readonly codec?: Codec | undefined
}

/** What became of one item of `submitMany`. */
export type Submitted<Output> =
  | { readonly outcome: 'accepted' | 'duplicate'; readonly handle: ExecutionHandle<Output> }
  | { readonly outcome: 'error'; readonly error: EngineError }

/** What a client does inside a transaction of its user's. */
export type TransactionClient = Pick<Client, 'submit' | 'submitMany'>

/** Submits work and looks after it. */
export interface Client {
  /** Resolves once the store has accepted it. Throws the refusal's `EngineError`, or `invalid_params` for its input. */
  submit<Input, Output>(
    task: Task<Input, Output, NoUpstream, unknown>,
    ...rest: TaskInput<Input, SubmitOptions>
  ): Promise<ExecutionHandle<Output>>
  submit<Input, Results>(
    flow: FlowDefinition<Input, Results>,
    ...rest: TaskInput<Input, FlowSubmitOptions>
  ): Promise<FlowHandle<Results>>

  /** One execution for each input, in as few calls as the limits allow. One that is refused leaves the others unharmed. */
  submitMany<Input, Output>(
    task: Task<Input, Output, NoUpstream, unknown>,
    inputs: readonly Input[],
    options?: SubmitOptions | ((input: Input, index: number) => SubmitOptions),
  ): Promise<readonly Submitted<Output>[]>

  /**
   * The same submits, inside a transaction of your own on a store that has them: what is accepted exists once that commits.
   * A handle serves after the commit. Nothing is tried again: what failed is yours to decide.
   */
  inTransaction(submits: SubmitterBackend): TransactionClient

  /** A handle of an execution that somebody submitted; with its task the result has a type. */
  handle<Output = unknown>(id: string, task?: Task<never, Output, never, unknown>): ExecutionHandle<Output>
  /** A handle of a flow that somebody submitted. */
  flow(id: string): FlowHandle

  list(params?: PageRequest & { readonly filter?: ExecutionFilter | undefined }): Promise<Page<Execution>>
  count(filter?: ExecutionFilter): Promise<number>
  /** The same apart, by lane, kind or public state: the largest 1000 groups, largest first. */
  countBy(by: CountGrouping, filter?: ExecutionFilter): Promise<readonly CountedGroup[]>
  listFlows(params?: Omit<ListFlows, 'namespace'>): Promise<Page<Flow>>

  /**
   * Sends a signal as whoever bears a waitpoint's token, which is all that it takes: over HTTP this client needs no
   * credentials. Throws `waitpoint_not_found` for a token that is not good, whatever is wrong with it.
   */
  signalByToken(
    bearer: WaitpointBearer,
    name: string,
    payload?: unknown,
    options?: SignalOptions,
  ): Promise<DeliverSignalOutcome>

  /** What starts tasks and flows by the clock. */
  readonly schedules: Schedules

  /** What is done to all executions that match, durably. */
  readonly operations: BulkWork
  /** What executions may spend in all. */
  readonly budgets: Budgets
  /** How many may run, and how often they may start. */
  readonly quotas: Quotas

  /** Deliveries of chosen events to addresses. */
  readonly webhooks: Webhooks

  /** The change feed, batch by batch, until the signal is aborted. */
  events(options?: FollowOptions): AsyncGenerator<EventBatch>

  /** An id for `submit`'s option of that name, in the right place for that lane. */
  mintId(lane?: string): Promise<ExecutionId>
  /** Ends what waits for results, and the connection. */
  close(): void
}

/** Opens nothing yet: the first call does. */
export function createClient(options: ClientOptions): Client {
  const connection = openConnection(options.connect)
  const { backend, namespace } = connection
  const core: ClientCore = {
    backend,
    submitter: backend,
    explain: connection.explain,
    namespace,
    subject: connection.subject,
    links: connection.links,
    webhooks: connection.webhooks,
    codec: options.codec ?? jsonCodec,
    ends: new Ends(backend, namespace),
    placement: new Placement(backend, namespace),
    submits: batchSubmits(backend, namespace),
  }

  return {
    ...createSubmits(core),
    inTransaction: (submits) => createSubmits(bindToTransaction(core, submits)),
    handle: (id) => createExecutionHandle(core, parseExecutionId(id)),
    flow: (id) => createFlowHandle(core, parseFlowId(id) as FlowId),
    list: (params = {}) => callSafely(() => backend.executions.list({ namespace, ...params })),
    count: async (filter) => (await callSafely(() => backend.executions.count({ namespace, filter }))).count,
    countBy: async (by, filter) =>
      (await callSafely(() => backend.executions.count({ namespace, filter, by }))).groups ?? [],
    listFlows: (params = {}) => callSafely(() => backend.flows.list({ namespace, ...params })),
    signalByToken: (bearer, name, payload, more) => sendSignalByToken(core, bearer, name, payload, more),
    schedules: createSchedules(core),
    operations: createBulkWork(core),
    budgets: createBudgets(core),
    quotas: createQuotas(core),
    webhooks: createWebhooks(core),
    events: (params = {}) => followEvents(backend.events, namespace, params),
    async mintId(lane = 'default') {
      await core.placement.prepare()
      return core.placement.mint(parseLaneId(lane))
    },
    close() {
      core.ends.close()
      connection.close()
    },
  }
}

function createSubmits(core: ClientCore): TransactionClient {
  const submit = (what: Task | FlowDefinition<unknown, unknown>, input?: unknown, more?: object) =>
    'plan' in what ? submitFlow(core, what, input, more) : submitExecution(core, what, input, more)
  return {
    submit: submit as unknown as Client['submit'],
    submitMany: (task, inputs, more) => submitExecutions(core, task, inputs, more as never),
  }
}

/** Handles stay the client's own; only what submits goes another way. */
function bindToTransaction(core: ClientCore, submits: SubmitterBackend): ClientCore {
  return {
    ...core,
    submitter: submits,
    // What this one knows it need not ask, which a transaction may have no way to.
    placement: core.placement.isKnown ? core.placement : new Placement(submits, core.namespace),
    submits: batchSubmits(submits, core.namespace, once),
    bounds: once,
  }
}

const once: RetryBounds = { ...clientRetryBounds, tries: 1 }

function batchSubmits(
  { executions }: SubmitterBackend,
  namespace: Namespace,
  bounds?: RetryBounds,
): ClientCore['submits'] {
  return new CallBatcher({
    send: async (items) => (await executions.submit({ namespace, items })).items,
    itemsMax: limits.submitBatchMax,
    // A body stays well below the server's limit.
    bytesMax: limits.bodyBytesMax / 4,
    sizeOf: ({ input }) => input?.byteLength ?? 0,
    bounds,
  })
}
