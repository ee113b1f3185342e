import * as access from './access.js'
import * as attempts from './attempts.js'
import * as audit from './audit.js'
import * as budgets from './budgets.js'
import * as events from './events.js'
import * as executions from './executions.js'
import * as flows from './flows.js'
import * as keyring from './keyring.js'
import * as lanes from './lanes.js'
import * as leases from './leases.js'
import { describeStore } from './meta.js'
import * as operations from './operations.js'
import * as quotas from './quotas.js'
import * as schedules from './schedules.js'
import * as signals from './signals.js'
import * as streams from './streams.js'
import * as submissions from './submissions.js'
import * as suspensions from './suspensions.js'
import * as waitpoints from './waitpoints.js'
import * as webhooks from './webhooks.js'
import * as workers from './workers.js'

export type { CreatedToken, CreateToken, PutNamespace, RevokeToken } from './access.js'
export { createBudget } from './budgets.js'
export { eventSchema, eventsQuery, hintSchema, hintsQuery, readEventFilter, readHintTypes } from './events.js'
export { readTagPairs } from './execution-filter.js'
export {
  executionEvents,
  executionResult,
  explain,
  flowEvents,
  flowResult,
  type WireExplanation,
} from './extras.js'
export { mergeRefused, problemSchema } from './items.js'
export { jsonDepthOf } from './json-depth.js'
export type { AddConfiguredKey } from './keyring.js'
export type { IdMint, ReadCall, WireCall, WireOperation, WireRequest, WireSchemas } from './operation.js'
export { cancelMatching, replayMatching } from './operations.js'
export { readPayload, type WirePayload, writePayload } from './payload.js'
export { createQuota } from './quotas.js'
export { readWire } from './read.js'
export { readRefusal, refusalOf } from './refusal.js'
export { backfillSchedule, createSchedule, resumeSchedule } from './schedules.js'
export { readPresentedToken, signalByToken, signalExecution, waitpointTokenHeader } from './signals.js'
export { writeFrame } from './streams.js'
export { submitExecution } from './submissions.js'
export { mintWaitpointToken, openWaitpoint } from './waitpoints.js'
export { createWebhook, putWebhook, rotateWebhookSecret } from './webhooks.js'

/** Every operation of the contract that crosses HTTP, by role and name: what the client sends and the server serves. */
export const wire = {
  executions: {
    submit: submissions.submitExecutions,
    get: executions.getExecution,
    getResult: submissions.getResults,
    list: executions.listExecutions,
    count: executions.countExecutions,
    cancel: executions.cancelExecution,
    replay: executions.replayExecution,
    hold: executions.holdExecution,
    release: executions.releaseExecution,
    changePriority: executions.changePriority,
    setTags: executions.setTags,
    explainFacts: executions.explainFacts,
  },
  leases: {
    claim: leases.claim,
    renew: leases.renew,
    complete: leases.complete,
    fail: leases.fail,
    delay: leases.delay,
    yield: leases.yieldLeases,
    revoke: leases.revoke,
  },
  attempts: {
    list: attempts.listAttempts,
    recordProgress: attempts.recordProgress,
    recordStep: attempts.recordStep,
    loadSteps: attempts.loadSteps,
    loadUpstream: attempts.loadUpstream,
  },
  flows: {
    submit: flows.submitFlow,
    createDraft: flows.createDraft,
    extend: flows.extendFlow,
    seal: flows.sealFlow,
    get: flows.getFlow,
    getGraph: flows.getGraph,
    getResult: flows.getFlowResult,
    list: flows.listFlows,
    cancel: flows.cancelFlow,
    replay: flows.replayFlow,
  },
  suspensions: {
    suspend: suspensions.suspend,
    createWaitpoint: waitpoints.createWaitpoint,
    closeWaitpoint: waitpoints.closeWaitpoint,
    listWaitpoints: waitpoints.listWaitpoints,
    deliverSignal: signals.deliverSignal,
    listSignals: signals.listSignals,
  },
  streams: {
    append: streams.appendFrames,
    read: streams.readFrames,
    tail: streams.tailFrames,
    readSummary: streams.readSummary,
  },
  budgets: {
    create: budgets.putBudget,
    get: budgets.getBudget,
    list: budgets.listBudgets,
    update: budgets.updateBudget,
    reportUsage: budgets.reportUsage,
    reset: budgets.resetBudget,
  },
  quotas: {
    create: quotas.putQuota,
    get: quotas.getQuota,
    list: quotas.listQuotas,
    update: quotas.updateQuota,
    acquire: quotas.acquireQuota,
    release: quotas.releaseQuota,
  },
  lanes: { configure: lanes.configureLane, list: lanes.listLanes, setState: lanes.setLaneState },
  workers: {
    register: workers.registerWorker,
    heartbeat: workers.heartbeatWorker,
    list: workers.listWorkers,
    drain: workers.drainWorker,
  },
  schedules: {
    put: schedules.putSchedule,
    get: schedules.getSchedule,
    list: schedules.listSchedules,
    delete: schedules.deleteSchedule,
    pause: schedules.pauseSchedule,
    trigger: schedules.triggerSchedule,
  },
  operations: {
    create: operations.createOperation,
    get: operations.getOperation,
    list: operations.listOperations,
    pause: operations.pauseOperation,
    resume: operations.resumeOperation,
    stop: operations.stopOperation,
  },
  keyring: {
    list: keyring.listSigningKeys,
    add: keyring.addSigningKey,
    retire: keyring.retireSigningKey,
  },
  access: {
    createToken: access.createToken,
    listTokens: access.listTokens,
    revokeToken: access.revokeToken,
    putNamespace: access.putNamespace,
    listNamespaces: access.listNamespaces,
  },
  webhooks: {
    get: webhooks.getWebhook,
    list: webhooks.listWebhooks,
    delete: webhooks.deleteWebhook,
    setState: webhooks.setWebhookState,
    listDeliveries: webhooks.listDeliveries,
    redeliver: webhooks.redeliverWebhook,
  },
  events: { read: events.readEvents },
  audit: { list: audit.listAudit },
  maintenance: { describe: describeStore },
} as const
