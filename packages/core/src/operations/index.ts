export { breachJobId, firstProgressText } from './breach-job.js'
export { createBulkOperations } from './bulk-operations.js'
export type { OperationParts } from './operation-parts.js'
export type {
  FindItems,
  FoundItems,
  ItemOutcome,
  OperationDeed,
  OperationName,
  OperationTargets,
} from './operation-store.js'
export type { OperationItem } from './record.js'
export { replayMembers } from './replay-members.js'
