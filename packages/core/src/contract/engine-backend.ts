import type { AccessOperations } from './access.js'
import type { AttemptOperations } from './attempts.js'
import type { AuditOperations } from './audit.js'
import type { BudgetOperations } from './budgets.js'
import type { EngineOperations } from './engines.js'
import type { EventOperations } from './events.js'
import type { ExecutionOperations } from './executions.js'
import type { FlowOperations } from './flows.js'
import type { KeyringOperations } from './keyring.js'
import type { LaneOperations } from './lanes.js'
import type { LeaseOperations } from './leases.js'
import type { MaintenanceOperations } from './maintenance.js'
import type { BulkOperations } from './operations.js'
import type { QuotaOperations } from './quotas.js'
import type { ResolutionOperations } from './resolution.js'
import type { ScheduleOperations } from './schedules.js'
import type { StreamOperations } from './streams.js'
import type { SuspensionOperations } from './suspensions.js'
import type { WebhookOperations } from './webhooks.js'
import type { WorkerOperations } from './workers.js'

/**
 * The contract: a store that implements this runs FlowFabric.
 *
 * Roles by noun, in the order of an execution's life. Consumers depend on the roles that they use
 * (`Pick<EngineBackend, 'leases'>`), never on a store: no keys, rows, connections or transactions leak through it.
 * Time is the store's; every state change is one atomic, fenced transition.
 */
export interface EngineBackend {
  /** Names the store for logs, never for branching. */
  readonly kind: 'valkey' | 'postgres'
  readonly executions: ExecutionOperations
  readonly leases: LeaseOperations
  readonly attempts: AttemptOperations
  readonly flows: FlowOperations
  readonly resolution: ResolutionOperations
  readonly suspensions: SuspensionOperations
  readonly streams: StreamOperations
  readonly budgets: BudgetOperations
  readonly quotas: QuotaOperations
  readonly lanes: LaneOperations
  readonly workers: WorkerOperations
  readonly engines: EngineOperations
  readonly schedules: ScheduleOperations
  readonly operations: BulkOperations
  readonly keyring: KeyringOperations
  readonly access: AccessOperations
  readonly events: EventOperations
  readonly webhooks: WebhookOperations
  readonly audit: AuditOperations
  readonly maintenance: MaintenanceOperations
}

/** The roles that executions, leases and flows stand on; a backend that has them is complete in each. */
export type FoundationRole =
  | 'executions'
  | 'leases'
  | 'attempts'
  | 'flows'
  | 'resolution'
  | 'suspensions'
  | 'streams'
  | 'budgets'
  | 'quotas'
  | 'lanes'
  | 'workers'
  | 'engines'
  | 'schedules'
  | 'operations'
  | 'keyring'
  | 'access'
  | 'events'
  | 'webhooks'
  | 'audit'
  | 'maintenance'

export type FoundationBackend = Pick<EngineBackend, FoundationRole | 'kind'>

/** What a worker needs, in process or over HTTP. */
export type WorkerBackend = Pick<EngineBackend, 'executions' | 'leases' | 'attempts' | 'workers'> & {
  readonly flows: Pick<FlowOperations, 'submit' | 'extend' | 'getResult'>
  readonly suspensions: Pick<SuspensionOperations, 'suspend' | 'createWaitpoint' | 'listSignals'>
  readonly streams: Pick<StreamOperations, 'append'>
  readonly budgets: Pick<BudgetOperations, 'reportUsage'>
  readonly quotas: Pick<QuotaOperations, 'acquire' | 'release'>
  readonly events: Pick<EventOperations, 'listen'>
  /** Whoever mints an id must know the partition counts. */
  readonly maintenance: Pick<MaintenanceOperations, 'describe'>
}

/** What a client needs, in process or over HTTP. */
export type ClientBackend = Pick<EngineBackend, 'executions' | 'flows' | 'lanes'> & {
  readonly schedules: Omit<ScheduleOperations, 'fireDue'>
  readonly operations: Omit<BulkOperations, 'advance'>
  readonly attempts: Pick<AttemptOperations, 'list' | 'loadSteps'>
  readonly suspensions: Omit<SuspensionOperations, 'suspend' | 'findWaitpoint'>
  readonly streams: Pick<StreamOperations, 'read' | 'tail' | 'readSummary'>
  readonly budgets: Pick<BudgetOperations, 'create' | 'get' | 'list' | 'update' | 'reset'>
  readonly quotas: Pick<QuotaOperations, 'create' | 'get' | 'list' | 'update'>
  readonly webhooks: Omit<WebhookOperations, 'put' | 'rotateSecret' | 'deliverDue'>
  readonly events: EventOperations
  /** Whoever mints an id must know the partition counts. */
  readonly maintenance: Pick<MaintenanceOperations, 'describe'>
}

/** What submitting takes. A store that has transactions offers it inside one of its user's, by its package's own API. */
export interface SubmitterBackend {
  readonly executions: Pick<ExecutionOperations, 'submit'>
  readonly flows: Pick<FlowOperations, 'submit'>
  readonly lanes: Pick<LaneOperations, 'list'>
  readonly maintenance: Pick<MaintenanceOperations, 'describe'>
}
