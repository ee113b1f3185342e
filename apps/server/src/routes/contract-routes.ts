import type { FoundationBackend, Namespace } from '@flowfabric/core'
import {
  backfillSchedule,
  cancelMatching,
  createBudget,
  createQuota,
  createSchedule,
  type IdMint,
  replayMatching,
  resumeSchedule,
  submitExecution,
  type WireOperation,
  wire,
} from '@flowfabric/core/wire'
import type { FastifyInstance } from 'fastify'
import { type Carry, serveOperation } from './serve-operation.js'

/**
 * The routes that are the contract's operations as they stand. A claim, a result, a stream and the feed wait, and have files
 * of their own.
 */
export function serveContract(app: FastifyInstance, backend: FoundationBackend, mint: IdMint): void {
  const {
    executions,
    leases,
    attempts,
    flows,
    streams,
    budgets,
    quotas,
    lanes,
    schedules,
    operations,
    workers,
    maintenance,
  } = backend
  const serve = <Params, Answer>(operation: WireOperation<Params, Answer>, carry: Carry<Params, Answer>) =>
    serveOperation(app, mint, operation, carry)

  serve(wire.executions.submit, (params) => executions.submit(params))
  serve(submitExecution, async (params) => {
    const [item] = (await executions.submit(params)).items
    if (item === undefined) throw new Error('a submit of one item was answered with none')
    // Alone in its call, an item's error is the call's.
    if (item.outcome === 'error') throw item.error
    return item
  })
  serve(wire.executions.get, (params) => executions.get(params))
  serve(wire.executions.getResult, (params) => executions.getResult(params))
  serve(wire.executions.list, (params) => executions.list(params))
  serve(wire.executions.count, (params) => executions.count(params))
  serve(wire.executions.cancel, (params) => executions.cancel(params))
  serve(wire.executions.replay, (params) => executions.replay(params))
  serve(wire.executions.hold, (params) => executions.hold(params))
  serve(wire.executions.release, (params) => executions.release(params))
  serve(wire.executions.changePriority, (params) => executions.changePriority(params))
  serve(wire.executions.setTags, (params) => executions.setTags(params))
  serve(wire.executions.explainFacts, (params) => executions.explainFacts(params))
  serve(wire.attempts.list, (params) => attempts.list(params))
  serve(wire.attempts.loadSteps, (params) => attempts.loadSteps(params))
  serve(wire.attempts.loadUpstream, (params) => attempts.loadUpstream(params))
  serve(wire.leases.revoke, (params) => leases.revoke(params))

  serve(wire.flows.submit, (params) => flows.submit(params))
  serve(wire.flows.createDraft, (params) => flows.createDraft(params))
  serve(wire.flows.extend, (params) => flows.extend(params))
  serve(wire.flows.seal, (params) => flows.seal(params))
  serve(wire.flows.get, (params) => flows.get(params))
  serve(wire.flows.getGraph, (params) => flows.getGraph(params))
  serve(wire.flows.list, (params) => flows.list(params))
  serve(wire.flows.cancel, (params) => flows.cancel(params))
  serve(wire.flows.replay, (params) => flows.replay(params))

  serve(wire.workers.register, (params) => workers.register(params))
  serve(wire.workers.heartbeat, (params) => workers.heartbeat(params))
  serve(wire.workers.list, async (params, { grant }) => {
    const answer = await workers.list(params)
    // A worker may serve namespaces that are closed to who asks.
    const isOpen = (namespace: Namespace) => grant.namespaces?.has(namespace) ?? true
    const views = answer.workers.map((worker) => ({
      ...worker,
      namespaces: worker.namespaces.filter(isOpen),
    }))
    return { ...answer, workers: views }
  })
  serve(wire.workers.drain, (params) => workers.drain(params))

  serve(wire.leases.renew, (params) => leases.renew(params))
  serve(wire.leases.delay, (params) => leases.delay(params))
  serve(wire.leases.yield, (params) => leases.yield(params))
  serve(wire.attempts.recordProgress, (params) => attempts.recordProgress(params))
  serve(wire.attempts.recordStep, (params) => attempts.recordStep(params))

  serve(wire.streams.append, (params) => streams.append(params))
  serve(wire.streams.read, (params) => streams.read(params))
  serve(wire.streams.readSummary, (params) => streams.readSummary(params))

  serve(createBudget, (params) => budgets.create(params))
  serve(wire.budgets.create, (params) => budgets.create(params))
  serve(wire.budgets.get, (params) => budgets.get(params))
  serve(wire.budgets.list, (params) => budgets.list(params))
  serve(wire.budgets.update, (params) => budgets.update(params))
  serve(wire.budgets.reset, (params) => budgets.reset(params))
  serve(wire.budgets.reportUsage, (params) => budgets.reportUsage(params))

  serve(createQuota, (params) => quotas.create(params))
  serve(wire.quotas.create, (params) => quotas.create(params))
  serve(wire.quotas.get, (params) => quotas.get(params))
  serve(wire.quotas.list, (params) => quotas.list(params))
  serve(wire.quotas.update, (params) => quotas.update(params))
  serve(wire.quotas.acquire, (params) => quotas.acquire(params))
  serve(wire.quotas.release, (params) => quotas.release(params))

  serve(wire.lanes.configure, (params) => lanes.configure(params))
  serve(wire.lanes.list, (params) => lanes.list(params))
  serve(wire.lanes.setState, (params) => lanes.setState(params))

  serve(createSchedule, (params) => schedules.put(params))
  serve(wire.schedules.put, (params) => schedules.put(params))
  serve(wire.schedules.get, (params) => schedules.get(params))
  serve(wire.schedules.list, (params) => schedules.list(params))
  serve(wire.schedules.delete, (params) => schedules.delete(params))
  serve(wire.schedules.pause, (params) => schedules.pause(params))
  serve(resumeSchedule, (params) => schedules.pause(params))
  serve(wire.schedules.trigger, (params) => schedules.trigger(params))
  serve(backfillSchedule, (params) => schedules.trigger(params))

  for (const created of [wire.operations.create, cancelMatching, replayMatching])
    serve(created, (params) => operations.create(params))
  serve(wire.operations.get, (params) => operations.get(params))
  serve(wire.operations.list, (params) => operations.list(params))
  serve(wire.operations.pause, (params) => operations.pause(params))
  serve(wire.operations.resume, (params) => operations.resume(params))
  serve(wire.operations.stop, (params) => operations.stop(params))

  serve(wire.maintenance.describe, async (_params, { grant }) => {
    const description = await maintenance.describe()
    return grant.namespaces === null ? description : { ...description, counts: nothing }
  })
}

/** What a store holds, as it is told to whom some namespaces are closed. */
const nothing = { executions: 0, flows: 0, outbox: 0, events: 0 } as const
