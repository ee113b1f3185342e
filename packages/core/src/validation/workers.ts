import type { Scoped } from '../contract/conventions.js'
import type { EngineHeartbeat } from '../contract/engines.js'
import type { RegisterWorker, WorkerHeartbeat } from '../contract/workers.js'
import { type InstanceId, parseInstanceId } from '../ids/index.js'
import { limits } from '../limits.js'
import { type LaneId, parseLaneId, parseWorkerId } from '../names.js'
import { checkServed } from './claim.js'
import { checkInteger, checkObject, checkOptionalBoolean, checkOptionalInteger, checkText } from './fields.js'
import { checkScoped, checkWorkerScoped } from './scope.js'

export function checkRegisterWorker(params: RegisterWorker): void {
  checkWorkerScoped(params)
  parseWorkerId(params.workerId)
  parseInstanceId(params.instanceId)
  checkServed(params)
  checkInteger(params.concurrency, 'concurrency', 1, SLOTS_MAX)
}

export function checkWorkerHeartbeat(params: WorkerHeartbeat): void {
  checkWorkerScoped(params)
  parseInstanceId(params.instanceId)
  checkInteger(params.active, 'active', 0, SLOTS_MAX)
  checkOptionalBoolean(params.goodbye, 'goodbye')
}

export function checkListWorkers(params: Scoped & { readonly lane?: LaneId | undefined }): void {
  checkScoped(params)
  if (params.lane !== undefined) parseLaneId(params.lane)
}

export function checkDrainWorker(params: Scoped & { readonly instanceId: InstanceId }): void {
  checkScoped(params)
  parseInstanceId(params.instanceId)
}

export function checkEngineHeartbeat(params: EngineHeartbeat): void {
  checkObject(params, '')
  parseInstanceId(params.engineId)
  checkText(params.label, 'label', limits.nameCharsMax * 2)
  checkOptionalBoolean(params.goodbye, 'goodbye')
  checkOptionalInteger(params.aliveMs, 'aliveMs', 1, limits.durationMsMax)
}

/** Slots of one worker instance. */
const SLOTS_MAX = 100_000
