/**
 * Without it: admission keys would stay parked although a refund or a new period has made room in their budget, where the
 * process that made it died before it woke them; and on Valkey nobody would carry out the rule of a budget whose breach was
 * recorded by a process that died before it made the job.
 * May: what the unblocker of quotas may, in the partitions of budgets, and make those jobs.
 * Twice is harmless: a key that is awake is judged by the next claim, and parked again if there is no room after all; a job
 * is made under an id that follows from the breach.
 * The filter is not applied: what waits for a budget waits in one line, whoever's it is.
 */
import type { PartitionScanner } from '@flowfabric/core'
import { type AdmissionUnblockerOptions, admissionUnblocker } from './admission-unblocker.js'

export function budgetUnblocker(options: AdmissionUnblockerOptions = {}): PartitionScanner {
  return { ...admissionUnblocker(options), name: 'budget_unblocker', family: 'budget' }
}
