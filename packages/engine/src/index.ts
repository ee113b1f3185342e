export { type Clock, systemClock, type Timer } from './clock.js'
export type { Dispatcher } from './dispatcher.js'
export { createEngine, type Engine } from './engine.js'
export { explainFrom } from './explain/explain.js'
export type {
  DependencyEvidence,
  ExplainReason,
  Explanation,
  FlowEvidence,
  ReasonEvidence,
  ReasonName,
} from './explain/explanation.js'
export type { EngineHealth, EngineState } from './health.js'
export { type LogFields, type Logger, type LogLevel, silentLogger } from './logger.js'
export { createManualClock, type ManualClock } from './manual-clock.js'
export {
  createMemoryMeter,
  type MemoryMeter,
  type MetricFamily,
  type MetricSample,
} from './metrics/memory-meter.js'
export type {
  Counter,
  Gauge,
  Histogram,
  HistogramDefinition,
  Labels,
  Meter,
  MetricDefinition,
} from './metrics/meter.js'
export type { EngineOptions } from './options.js'
export { createPartitionRouter, type PartitionRouter } from './partition-router.js'
export type { Signing, SigningView } from './signing/signing.js'
export type { WebhookPolicyOptions } from './webhooks/address-policy.js'
export type { ResolveName } from './webhooks/post.js'
