import type { ExecutionOperations } from '../contract/executions.js'
import type { DueAnnouncer } from '../due-records/announce-due.js'
import type { DueRecords } from '../due-records/due-records.js'
import type { OperationTargets } from './operation-store.js'

/** What the role is made of: a store of records, and the store's own executions. */
export interface OperationParts extends DueAnnouncer {
  readonly store: DueRecords
  readonly targets: OperationTargets
  readonly executions: Pick<ExecutionOperations, 'count'>
}
