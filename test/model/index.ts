import type { EngineBackend, FoundationBackend } from '@flowfabric/core'
import { createAccess } from './access.js'
import { createAttempts } from './attempts.js'
import { createAudit } from './audit.js'
import { createBudgets } from './budgets.js'
import { createDispatching } from './dispatching.js'
import { createEvents } from './events.js'
import { createExecutions } from './executions.js'
import { createFlows } from './flows.js'
import { createKeyring } from './keyring.js'
import { createLanes } from './lanes.js'
import { createLeases } from './leases.js'
import { createMaintenance } from './maintenance.js'
import { createOperations } from './operations.js'
import { createProjection } from './projection.js'
import { createQuotas } from './quotas.js'
import { createReconciling } from './reconciling.js'
import { createEngines, createWorkers } from './registries.js'
import { createSchedules } from './schedules.js'
import { createStore, type Model, type ModelOptions } from './store.js'
import { createStreams } from './streams.js'
import { createSuspensions } from './suspensions.js'
import { createWebhooks } from './webhooks.js'

/**
 * The reference model: what every store means, in plain maps, without indexes, caches or batches. Where it and a store
 * differ, one of them is wrong. See `docs/semantics.md`, of which it is the program.
 */
export type ModelBackend = FoundationBackend &
  Pick<EngineBackend, 'budgets' | 'quotas'> & {
    /** The records, for the fault hooks of tests alone. */
    readonly store: Model
  }

export function createModel(options: ModelOptions = {}): ModelBackend {
  const store = createStore(options)
  const events = createEvents(store)
  return {
    // The contract names the stores that there are; the model is neither. Nothing may branch on it.
    kind: 'postgres',
    store,
    executions: createExecutions(store),
    leases: createLeases(store),
    attempts: createAttempts(store),
    flows: createFlows(store),
    resolution: { ...createDispatching(store), ...createReconciling(store), ...createProjection(store) },
    suspensions: createSuspensions(store),
    streams: createStreams(store),
    budgets: createBudgets(store),
    quotas: createQuotas(store),
    lanes: createLanes(store),
    workers: createWorkers(store),
    engines: createEngines(store),
    schedules: createSchedules(store),
    operations: createOperations(store),
    keyring: createKeyring(store),
    access: createAccess(store),
    events,
    webhooks: createWebhooks(store, events),
    audit: createAudit(store),
    maintenance: createMaintenance(store),
  }
}

export type { ModelOptions }
