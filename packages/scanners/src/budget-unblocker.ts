/**
 * Without it: admission keys would stay parked although a refund or a new period has made room in their budget, where the
 * process that made it died before it woke them.
 * May: what the unblocker of quotas may, in the partitions of budgets.
 * Twice is harmless: a key that is awake is judged by the next claim, and parked again if there is no room after all.
 * The filter is not applied: what waits for a budget waits in one line, whoever's it is.
 */
import type { PartitionScanner } from '@flowfabric/core'
import { type AdmissionUnblockerOptions, admissionUnblocker } from './admission-unblocker.js'

export function budgetUnblocker(options: AdmissionUnblockerOptions = {}): PartitionScanner {
  return { ...admissionUnblocker(options), name: 'budget_unblocker', family: 'budget' }
}
