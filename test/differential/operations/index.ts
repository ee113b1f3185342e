import type { Chooser } from '../chooser.js'
import type { Call, Play, World } from '../world.js'
import * as access from './access.js'
import * as attempts from './attempts.js'
import * as audit from './audit.js'
import * as budgets from './budgets.js'
import * as bulk from './bulk.js'
import * as claims from './claims.js'
import * as engines from './engines.js'
import * as executions from './executions.js'
import * as flows from './flows.js'
import * as keyring from './keyring.js'
import * as leases from './leases.js'
import * as quotas from './quotas.js'
import * as registries from './registries.js'
import * as schedules from './schedules.js'
import * as streams from './streams.js'
import * as suspensions from './suspensions.js'
import * as time from './time.js'
import * as webhooks from './webhooks.js'

export interface Operation {
  readonly weight: number
  readonly choose: (c: Chooser, world: World) => Call | Play
}

const of = (weight: number, choose: Operation['choose']): Operation => ({ weight, choose })

/** Every operation that both are asked, and how often. */
export const operations: Readonly<Record<string, Operation>> = {
  'executions.submit': of(10, executions.submit),
  'leases.claim': of(22, claims.claim),
  'leases.complete': of(16, leases.complete),
  'leases.fail': of(8, leases.fail),
  'leases.renew': of(4, leases.renew),
  'leases.delay': of(4, leases.delay),
  'leases.yield': of(4, leases.yield),
  'leases.revoke': of(3, leases.revoke),
  'flows.submit': of(7, flows.submit),
  'flows.createDraft': of(2, flows.createDraft),
  'flows.extend': of(5, flows.extend),
  'flows.seal': of(3, flows.seal),
  'flows.cancel': of(3, flows.cancel),
  'flows.replay': of(4, flows.replay),
  'flows.get': of(1, flows.get),
  'flows.getGraph': of(1, flows.getGraph),
  'flows.getResult': of(2, flows.getResult),
  'flows.list': of(1, flows.list),
  'executions.cancel': of(4, executions.cancel),
  'executions.replay': of(3, executions.replay),
  'executions.hold': of(2, executions.hold),
  'executions.release': of(2, executions.release),
  'executions.changePriority': of(2, executions.changePriority),
  'executions.setTags': of(1, executions.setTags),
  'executions.get': of(1, executions.get),
  'executions.getResult': of(2, executions.getResult),
  'executions.list': of(2, executions.list),
  'executions.count': of(2, executions.count),
  'executions.explainFacts': of(2, executions.explainFacts),
  'attempts.recordProgress': of(2, attempts.recordProgress),
  'attempts.recordStep': of(3, attempts.recordStep),
  'attempts.list': of(1, attempts.list),
  'attempts.loadSteps': of(1, attempts.loadSteps),
  'attempts.loadUpstream': of(1, attempts.loadUpstream),
  'streams.append': of(6, streams.append),
  'streams.read': of(1, streams.read),
  'streams.tail': of(2, streams.tail),
  'streams.readSummary': of(1, streams.readSummary),
  'suspensions.suspend': of(8, suspensions.suspend),
  'suspensions.createWaitpoint': of(6, suspensions.createWaitpoint),
  'suspensions.closeWaitpoint': of(1, suspensions.closeWaitpoint),
  'suspensions.findWaitpoint': of(1, suspensions.findWaitpoint),
  'suspensions.listWaitpoints': of(1, suspensions.listWaitpoints),
  'suspensions.deliverSignal': of(12, suspensions.deliverSignal),
  'suspensions.listSignals': of(1, suspensions.listSignals),
  'lanes.configure': of(2, registries.configureLane),
  'lanes.setState': of(3, registries.setLaneState),
  'lanes.list': of(2, registries.listLanes),
  'lanes.syncCopies': of(1, registries.syncCopies),
  'workers.register': of(2, registries.registerWorker),
  'workers.heartbeat': of(2, registries.beatWorker),
  'workers.list': of(1, registries.listWorkers),
  'workers.drain': of(1, registries.drainWorker),
  'workers.reapDead': of(1, registries.reapDead),
  'engines.heartbeat': of(2, engines.heartbeat),
  'engines.list': of(1, engines.list),
  'keyring.add': of(2, keyring.addKey),
  'keyring.retire': of(1, keyring.retireKey),
  'keyring.list': of(1, keyring.listKeys),
  'access.put': of(3, access.put),
  'access.revoke': of(2, access.revoke),
  'access.verify': of(2, access.verify),
  'access.listTokens': of(1, access.listTokens),
  'access.listNamespaces': of(1, access.listNamespaces),
  'access.getNamespace': of(1, access.getNamespace),
  'audit.append': of(2, audit.append),
  'audit.list': of(1, audit.list),
  'schedules.put': of(3, schedules.put),
  'schedules.fireDue': of(8, schedules.fireDue),
  'schedules.trigger': of(3, schedules.trigger),
  'schedules.pause': of(2, schedules.pause),
  'schedules.get': of(2, schedules.get),
  'schedules.list': of(1, schedules.list),
  'schedules.delete': of(1, schedules.remove),
  'operations.create': of(3, bulk.create),
  'operations.advance': of(4, bulk.advance),
  'operations.get': of(2, bulk.get),
  'operations.list': of(1, bulk.list),
  'operations.pause': of(1, bulk.change('pause')),
  'operations.resume': of(1, bulk.change('resume')),
  'operations.stop': of(1, bulk.change('stop')),
  'quotas.create': of(3, quotas.create),
  'quotas.update': of(3, quotas.update),
  'quotas.get': of(1, quotas.get),
  'quotas.list': of(1, quotas.list),
  'quotas.acquire': of(5, quotas.acquire),
  'quotas.release': of(2, quotas.release),
  'quotas.wakeParked': of(1, quotas.wakeParked('quota')),
  'quotas.reconcile': of(1, quotas.reconcile('quota')),
  'budgets.create': of(3, budgets.create),
  'budgets.update': of(2, budgets.update),
  'budgets.get': of(1, budgets.get),
  'budgets.list': of(1, budgets.list),
  'budgets.reportUsage': of(5, budgets.reportUsage),
  'budgets.reset': of(2, budgets.reset),
  'budgets.resetDue': of(2, budgets.resetDue),
  'budgets.wakeParked': of(1, quotas.wakeParked('budget')),
  'budgets.reconcile': of(1, quotas.reconcile('budget')),
  'webhooks.put': of(3, webhooks.put),
  'webhooks.get': of(1, webhooks.get),
  'webhooks.list': of(1, webhooks.list),
  'webhooks.delete': of(1, webhooks.remove),
  'webhooks.setState': of(3, webhooks.setState),
  'webhooks.rotateSecret': of(1, webhooks.rotateSecret),
  'webhooks.deliverDue': of(8, webhooks.deliverDue),
  'webhooks.listDeliveries': of(2, webhooks.listDeliveries),
  'webhooks.redeliver': of(2, webhooks.redeliver),
  'maintenance.advanceTime': of(8, time.advanceTime),
  'maintenance.trimRetention': of(1, time.trimRetention),
  'events.read': of(1, time.readEvents),
  drive: of(8, time.drive),
}
