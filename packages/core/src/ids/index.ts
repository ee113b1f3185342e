export { type AttemptId, isAttemptId, mintAttemptId, parseAttemptId } from './attempt-id.js'
export { type BudgetId, isBudgetId, mintBudgetId, parseBudgetId } from './budget-id.js'
export { type ClaimId, isClaimId, mintClaimId, parseClaimId } from './claim-id.js'
export { deriveUuid } from './derive-uuid.js'
export { type EdgeId, isEdgeId, mintEdgeId, parseEdgeId } from './edge-id.js'
export { type EntryId, isEntryId, makeEntryId, mintEntryId, parseEntryId } from './entry-id.js'
export {
  type ExecutionId,
  formatExecutionIdUrl,
  isExecutionId,
  makeExecutionId,
  mintExecutionId,
  parseExecutionId,
  parseExecutionIdUrl,
} from './execution-id.js'
export { type FlowId, isFlowId, mintFlowId, parseFlowId } from './flow-id.js'
export type { IdFault, IdKind } from './id-kind.js'
export { type InstanceId, isInstanceId, mintInstanceId, parseInstanceId } from './instance-id.js'
export { isLeaseId, type LeaseId, mintLeaseId, parseLeaseId } from './lease-id.js'
export { mintUuid } from './mint-uuid.js'
export { isOperationId, mintOperationId, type OperationId, parseOperationId } from './operation-id.js'
export { type PartitionedId, partitionIndexOf, partitionTagOf, uuidOf } from './partitioned-id.js'
export { isQuotaId, mintQuotaId, parseQuotaId, type QuotaId } from './quota-id.js'
export { isScheduleId, mintScheduleId, parseScheduleId, type ScheduleId } from './schedule-id.js'
export { isSignalId, mintSignalId, parseSignalId, type SignalId } from './signal-id.js'
export {
  isSuspensionId,
  makeSuspensionId,
  mintSuspensionId,
  parseSuspensionId,
  type SuspensionId,
} from './suspension-id.js'
export { isTokenId, mintTokenId, parseTokenId, type TokenId } from './token-id.js'
export { formatUuid, isUuid, readUuidBytes } from './uuid.js'
export {
  deriveWaitpointId,
  isWaitpointId,
  mintWaitpointId,
  parseWaitpointId,
  type WaitpointId,
} from './waitpoint-id.js'
export { isWebhookId, mintWebhookId, parseWebhookId, type WebhookId } from './webhook-id.js'
