export {
  type Client,
  type ClientOptions,
  createClient,
  type Submitted,
  type TransactionClient,
} from './client/create-client.js'
export type { ExecutionEnd, FlowEnd } from './client/ends.js'
export type { ExecutionHandle, ResultOptions, Summary } from './client/execution-handle.js'
export type { CancelFlowOptions, FlowHandle, ReplayFlowOptions } from './client/flow-handle.js'
export type { EventBatch, FollowOptions } from './client/follow-events.js'
export type { StreamFrame, StreamOptions } from './client/follow-frames.js'
export type { BudgetOptions, Budgets, QuotaOptions, Quotas } from './client/limits.js'
export type { BulkOptions, BulkWork, EndedFilter, WaitOptions } from './client/operations.js'
export type {
  Interval,
  RecurringOptions,
  SchedulePlan,
  Schedules,
  WallClock,
} from './client/schedules.js'
export type { FlowSubmitOptions } from './client/submit-flow.js'
export type { SubmitOptions, TaskInput, WorkOptions } from './client/submit-options.js'
export type { SignalOptions, WaitpointBearer } from './client/waitpoints.js'
export type { CreatedWebhook, WebhookOptions, Webhooks } from './client/webhooks.js'
export type { Administration } from './connection/administration.js'
export type {
  Connect,
  Explain,
  InProcessConnect,
  ServerBackend,
} from './connection/connection.js'
export { type Connection, openConnection } from './connection/connection.js'
export {
  AttemptLostError,
  BudgetExceeded,
  CallFailedError,
  ExecutionNotSucceededError,
  FlowNotCompletedError,
  ResultTimeoutError,
  RetryAtError,
  TerminalError,
} from './errors.js'
export { defineFlow, type FlowDefinition, type FlowResults, type ReturnedNodes } from './flows/define-flow.js'
export type { FlowBuilder, FlowMap, Scope } from './flows/flow-builder.js'
export { formatGraph, formatMermaid } from './flows/format-graph.js'
export type { Graph, GraphEdge, GraphNode } from './flows/graph.js'
export type { NodeOptions } from './flows/graph-builder.js'
export {
  type AllOfOptions,
  allOf,
  anyOf,
  type FirstOfOptions,
  type Joined,
  type JoinOptions,
  quorum,
} from './flows/joins.js'
export type { ExistingRef, MapRef, NodeRef, Source } from './flows/refs.js'
export type { SpawnBuilder } from './flows/spawn-builder.js'
export { validateGraph } from './flows/validate-graph.js'
export { type Codec, jsonCodec } from './payload/codec.js'
export type { AnySchema, StandardSchema } from './schema/standard-schema.js'
export { type } from './schema/type.js'
export type { OpenWaitpoint, WaitpointOptions } from './suspensions/open-waitpoint.js'
export type { ReceivedSignal, Resumed, SignalSchemas } from './suspensions/received-signal.js'
export type { WaitCondition, WaitpointRef } from './suspensions/wait-condition.js'
export {
  defineTask,
  implementTask,
  type RetryOptions,
  type TaskOptions,
  type TaskPolicies,
} from './tasks/define-task.js'
export type {
  AcquiredSlot,
  AcquireOptions,
  AttemptInfo,
  CallFlowOptions,
  CallOptions,
  ContextLog,
  EmitOptions,
  ExecutionInfo,
  HandlerContext,
  SpawnedOptions,
  SpendOptions,
  SuspendOptions,
} from './tasks/handler-context.js'
export type { AnyTask, NoUpstream, Task, TaskSpec } from './tasks/task.js'
export { listOf, type UpstreamList, type UpstreamSpec, type UpstreamView } from './tasks/upstream.js'
export { type AbortKind, AbortReason } from './worker/abort-reason.js'
export { createWorker, type Worker, type WorkerState } from './worker/create-worker.js'
export type { Logger, LogLevel } from './worker/logger.js'
export type { RecordedOutcome, WorkerObserver } from './worker/worker-observer.js'
export type { Middleware, WorkerOptions } from './worker/worker-options.js'
