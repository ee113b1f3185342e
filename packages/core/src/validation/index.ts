export * from './access.js'
export * from './attempts.js'
export * from './audit.js'
export * from './budgets.js'
export { checkClaim } from './claim.js'
export * from './events.js'
export * from './executions.js'
export * from './flows.js'
export * from './keyring.js'
export * from './lanes.js'
export {
  type CheckedHandle,
  checkComplete,
  checkDelay,
  checkFail,
  checkRenew,
  checkRevoke,
  checkYield,
} from './leases.js'
export * from './operations.js'
export * from './quotas.js'
export { tooManyRecords } from './records.js'
export * from './scans.js'
export * from './schedules.js'
export * from './streams.js'
export * from './suspensions.js'
export * from './webhooks.js'
export * from './workers.js'
