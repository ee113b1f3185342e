import { setMaxListeners } from 'node:events'
import {
  createHintHub,
  type EngineBackend,
  type ExecutionId,
  type FoundationBackend,
  type PartitionConfig,
} from '@flowfabric/core'
import { createAccess } from './access/index.js'
import { createDemandCheck } from './admission/demands.js'
import { createWaker } from './admission/waking.js'
import { createAttempts } from './attempts/index.js'
import { createAudit } from './audit/index.js'
import { createBudgets } from './budgets/index.js'
import { createCatalog } from './db/catalog.js'
import type { PostgresContext } from './db/context.js'
import { openDatabase } from './db/open.js'
import { type RemoteHints, startRemoteHints } from './db/remote-hints.js'
import { createEngines } from './engines/index.js'
import { createEvents } from './events/index.js'
import { createExecutions } from './executions/index.js'
import { createFlows } from './flows/index.js'
import { type InspectedExecution, inspectExecution } from './inspect/inspect-execution.js'
import { createKeyring } from './keyring/index.js'
import { createLanes } from './lanes/index.js'
import { createClaimer } from './leases/claim.js'
import { createLeases } from './leases/index.js'
import { createMaintenance } from './maintenance/index.js'
import { readPartitions } from './maintenance/prepare.js'
import { createOperations } from './operations/index.js'
import { type PostgresBackendOptions, readSettings } from './options.js'
import { createQuotas } from './quotas/index.js'
import { createResolution } from './resolution/index.js'
import { createSchedules } from './schedules/index.js'
import { createStreams } from './streams/index.js'
import { createSuspensions } from './suspensions/index.js'
import { createRememberedConditions } from './suspensions/remembered-conditions.js'
import { createTransactions, type TransactionOperations } from './transactions/index.js'
import { createWebhooks } from './webhooks/index.js'
import { createWorkers } from './workers/index.js'

/** The contract, and a look at what is stored. */
export interface PostgresBackend
  extends FoundationBackend,
    Pick<EngineBackend, 'budgets' | 'quotas'>,
    TransactionOperations {
  /** All rows of an execution, whatever its namespace, for people. Throws `execution_not_found` when there are none. */
  inspect(id: ExecutionId): Promise<InspectedExecution>
}

/**
 * The contract on PostgreSQL, or on PGlite in this process. Nothing is sent before the first call; `maintenance.prepare`
 * makes the schema. Throws `invalid_configuration`.
 */
export function createPostgresBackend(options: PostgresBackendOptions): PostgresBackend {
  const { ctx, close } = createContext(options)
  const claimer = createClaimer(ctx)
  const executions = createExecutions(ctx, claimer)
  const flows = createFlows(ctx)
  const events = createEvents(ctx)
  return {
    kind: 'postgres',
    executions,
    leases: createLeases(ctx, claimer),
    attempts: createAttempts(ctx),
    flows,
    resolution: createResolution(ctx),
    suspensions: createSuspensions(ctx, claimer),
    streams: createStreams(ctx),
    budgets: createBudgets(ctx),
    quotas: createQuotas(ctx),
    lanes: createLanes(ctx),
    workers: createWorkers(ctx),
    engines: createEngines(ctx),
    schedules: createSchedules(ctx, { executions, flows }),
    operations: createOperations(ctx, executions),
    keyring: createKeyring(ctx),
    access: createAccess(ctx),
    events,
    webhooks: createWebhooks(ctx, events),
    audit: createAudit(ctx),
    maintenance: createMaintenance(ctx, close),
    inspect: (id) => inspectExecution(ctx, id),
    ...createTransactions(ctx),
  }
}

/** What every operation is given, over one pool. */
export function createContext(options: PostgresBackendOptions): {
  readonly ctx: PostgresContext
  close(): Promise<void>
} {
  const settings = readSettings(options)
  const db = openDatabase(options, settings)
  const hints = createHintHub()
  const closing = new AbortController()
  // Every call that waits listens to it.
  setMaxListeners(0, closing.signal)
  let partitions: Promise<PartitionConfig> | undefined
  const remote: RemoteHints | undefined = settings.tells
    ? startRemoteHints(db, hints, settings.listen ? options : {})
    : undefined
  const ctx: PostgresContext = {
    db,
    settings,
    hints,
    catalog: createCatalog(db),
    demands: createDemandCheck(db),
    waker: createWaker(() => ctx),
    conditions: createRememberedConditions(),
    isPglite: options.pglite !== undefined,
    partitions() {
      db.refuseInside()
      partitions ??= readPartitions(db).catch((fault) => {
        // A store that isn't prepared yet may be at the next call.
        partitions = undefined
        throw fault
      })
      return partitions
    },
    closing: closing.signal,
  }
  return {
    ctx,
    async close() {
      closing.abort()
      await remote?.stop()
      await db.close()
    },
  }
}
