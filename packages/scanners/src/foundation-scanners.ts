import { engineError, type Scanner } from '@flowfabric/core'
import { admissionUnblocker } from './admission-unblocker.js'
import { type BudgetReconcilerOptions, budgetReconciler } from './budget-reconciler.js'
import { budgetReset } from './budget-reset.js'
import { budgetUnblocker } from './budget-unblocker.js'
import { type CancelReconcilerOptions, cancelReconciler } from './cancel-reconciler.js'
import { completionDispatcher } from './completion-dispatcher.js'
import { type DependencyReconcilerOptions, dependencyReconciler } from './dependency-reconciler.js'
import {
  type EdgeCancelDispatcherOptions,
  edgeCancelDispatcher,
  edgeCancelDispatcherIntervalMs,
} from './edge-cancel-dispatcher.js'
import {
  type EdgeCancelReconcilerOptions,
  edgeCancelReconciler,
  edgeCancelReconcilerIntervalMs,
} from './edge-cancel-reconciler.js'
import { type FlowProjectorOptions, flowProjector } from './flow-projector.js'
import { type IndexReconcilerOptions, indexReconciler } from './index-reconciler.js'
import { laneSync } from './lane-sync.js'
import { operationRunner } from './operation-runner.js'
import { type QuotaReconcilerOptions, quotaReconciler } from './quota-reconciler.js'
import { type ReadyAnnouncerOptions, readyAnnouncer } from './ready-announcer.js'
import { retentionTrimmer } from './retention-trimmer.js'
import { scheduleRunner } from './schedule-runner.js'
import { storeUpkeep } from './store-upkeep.js'
import { timers } from './timers.js'
import { type WebhookDispatcherOptions, webhookDispatcher } from './webhook-dispatcher.js'
import { type WorkerReaperOptions, workerReaper } from './worker-reaper.js'

interface BatchOptions {
  readonly max?: number | undefined
}

/** Settings by scanner; what is absent takes its default. */
export interface FoundationScannerOptions {
  readonly timers?: BatchOptions | undefined
  readonly completionDispatcher?: BatchOptions | undefined
  readonly scheduleRunner?: BatchOptions | undefined
  readonly operationRunner?: BatchOptions | undefined
  readonly webhookDispatcher?: WebhookDispatcherOptions | undefined
  readonly admissionUnblocker?: BatchOptions | undefined
  readonly budgetUnblocker?: BatchOptions | undefined
  readonly budgetReset?: BatchOptions | undefined
  readonly budgetReconciler?: BudgetReconcilerOptions | undefined
  readonly quotaReconciler?: QuotaReconcilerOptions | undefined
  readonly edgeCancelDispatcher?: EdgeCancelDispatcherOptions | undefined
  readonly edgeCancelReconciler?: EdgeCancelReconcilerOptions | undefined
  readonly cancelReconciler?: CancelReconcilerOptions | undefined
  readonly dependencyReconciler?: DependencyReconcilerOptions | undefined
  readonly flowProjector?: FlowProjectorOptions | undefined
  readonly workerReaper?: WorkerReaperOptions | undefined
  readonly readyAnnouncer?: ReadyAnnouncerOptions | undefined
  readonly laneSync?: BatchOptions | undefined
  readonly storeUpkeep?: BatchOptions | undefined
  readonly indexReconciler?: IndexReconcilerOptions | undefined
  readonly retentionTrimmer?: BatchOptions | undefined
}

/**
 * Every scanner that the executions, leases, flows, lanes, schedules, bulk operations, webhooks, budgets, quotas and registries need, the
 * most urgent ones first.
 * Throws `invalid_configuration`, for one when the edge-cancel reconciler would run more often than its dispatcher: it
 * would then judge what the dispatcher has had no time to do.
 */
export function foundationScanners(options: FoundationScannerOptions = {}): readonly Scanner[] {
  checkNumbers(options)
  const dispatcherMs = options.edgeCancelDispatcher?.intervalMs ?? edgeCancelDispatcherIntervalMs
  const reconcilerMs = options.edgeCancelReconciler?.intervalMs ?? edgeCancelReconcilerIntervalMs
  if (reconcilerMs < dispatcherMs) {
    throw engineError(
      'invalid_configuration',
      `The interval of edgeCancelReconciler (${reconcilerMs} ms) is below that of edgeCancelDispatcher (${dispatcherMs} ms)`,
    )
  }
  return [
    completionDispatcher(options.completionDispatcher),
    timers(options.timers),
    scheduleRunner(options.scheduleRunner),
    budgetReset(options.budgetReset),
    admissionUnblocker(options.admissionUnblocker),
    budgetUnblocker(options.budgetUnblocker),
    edgeCancelDispatcher(options.edgeCancelDispatcher),
    cancelReconciler(options.cancelReconciler),
    laneSync(options.laneSync),
    operationRunner(options.operationRunner),
    webhookDispatcher(options.webhookDispatcher),
    readyAnnouncer(options.readyAnnouncer),
    storeUpkeep(options.storeUpkeep),
    flowProjector(options.flowProjector),
    edgeCancelReconciler(options.edgeCancelReconciler),
    dependencyReconciler(options.dependencyReconciler),
    indexReconciler(options.indexReconciler),
    budgetReconciler(options.budgetReconciler),
    quotaReconciler(options.quotaReconciler),
    workerReaper(options.workerReaper),
    retentionTrimmer(options.retentionTrimmer),
  ]
}

function checkNumbers(options: FoundationScannerOptions): void {
  for (const [scanner, settings] of Object.entries(options)) {
    for (const [name, value] of Object.entries<number | undefined>(settings ?? {})) {
      if (value === undefined || (Number.isInteger(value) && value >= 1 && value <= SETTING_MAX)) continue
      throw engineError(
        'invalid_configuration',
        `${name} of ${scanner} is ${value}, not a whole number of 1…${SETTING_MAX}`,
      )
    }
  }
}

/** A day, as an interval; and far above any batch that a store takes. */
const SETTING_MAX = 86_400_000
