import {
  defaultLane,
  type ExecutionSubmission,
  makePartitionTag,
  mintClaimId,
  mintExecutionId,
  mintInstanceId,
  must,
  parseKind,
  parseNamespace,
  parseWorkerId,
} from '@flowfabric/core'
import {
  foundationScanners,
  indexReconciler,
  readyAnnouncer,
  retentionTrimmer,
  timers,
  workerReaper,
} from '@flowfabric/scanners'
import { describe, expect, it } from 'vitest'
import type { ModelBackend } from '../model/index.js'
import { contextOf, namespace, openModel, partition, pass } from './scan.js'

const kind = parseKind('work')
const lane = defaultLane

async function submit(model: ModelBackend, traits: Partial<ExecutionSubmission> = {}) {
  const id = mintExecutionId(0)
  await model.executions.submit({ namespace, items: [{ id, kind, lane, input: null, ...traits }] })
  return id
}

async function claim(model: ModelBackend, leaseTtlMs = 30_000) {
  const answer = await model.leases.claim({
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId: mintInstanceId(),
    namespaces: [namespace],
    lanes: [lane],
    kinds: [kind],
    capabilities: [],
    max: 1,
    leaseTtlMs,
  })
  if (answer.outcome !== 'claimed') throw new Error('nothing to claim')
  return must(answer.leases[0], 'a lease')
}

const stateOf = async (model: ModelBackend, id: ReturnType<typeof mintExecutionId>) =>
  (await model.executions.get({ namespace, id })).execution.publicState

describe('on an empty store', () => {
  it.each(foundationScanners().map((scanner) => [scanner.name, scanner] as const))(
    '%s changes, finds and counts nothing',
    async (_, scanner) => {
      const model = openModel()
      const { context, seen } = contextOf(model)
      const report =
        scanner.scope === 'pulse'
          ? scanner.readPulse(context, await model.maintenance.pulse({ partitions: [partition] }))
          : await scanner.scanPartition(context, makePartitionTag(scanner.family, 0))
      expect(report).toMatchObject({ processed: 0, errors: 0 })
      expect(seen).toEqual({ counts: {}, observed: {}, hints: [], lines: [] })
    },
  )
})

describe('timers', () => {
  it('applies what is due, by kind and with its lag, and says when the next one is', async () => {
    const model = openModel()
    const early = await submit(model, { delayMs: 100 })
    await submit(model, { delayMs: 5_000 })
    const nowMs = await model.maintenance.serverTimeMs()
    await model.maintenance.advanceTime({ byMs: 130 })
    const { report, seen } = await pass(timers(), model)
    expect(report).toMatchObject({ processed: 1, errors: 0, nextDueAtMs: nowMs + 5_000 })
    expect(seen.counts).toEqual({ 'timers_applied_total{delayed_promotion}': 1 })
    expect(seen.observed).toEqual({ 'due_lag_ms{delayed_promotion}': [30] })
    expect(await stateOf(model, early)).toBe('waiting')
  })

  it('twice is harmless: a lease is reaped once', async () => {
    const model = openModel()
    const id = await submit(model)
    await claim(model, 1_000)
    await model.maintenance.advanceTime({ byMs: 1_001 })
    await pass(timers(), model)
    const { report } = await pass(timers(), model)
    expect(report.processed).toBe(0)
    expect((await model.executions.get({ namespace, id })).execution.reclaimCount).toBe(1)
  })
})

describe('the worker reaper', () => {
  it('removes an instance that was silent, and no other', async () => {
    const model = openModel()
    const register = (instanceId: ReturnType<typeof mintInstanceId>) =>
      model.workers.register({
        namespaces: [namespace],
        workerId: parseWorkerId('w'),
        instanceId,
        lanes: [lane],
        kinds: [kind],
        capabilities: [],
        concurrency: 1,
      })
    const alive = mintInstanceId()
    await register(mintInstanceId())
    await register(alive)
    await model.maintenance.advanceTime({ byMs: 29_000 })
    await model.workers.heartbeat({ namespaces: [namespace], instanceId: alive, active: 0 })
    expect((await pass(workerReaper(), model)).report.processed).toBe(0)
    await model.maintenance.advanceTime({ byMs: 1_500 })
    const { report, seen } = await pass(workerReaper(), model)
    expect(report.processed).toBe(1)
    expect(seen.counts).toEqual({ 'workers_reaped_total{nothing}': 1 })
    const { workers } = await model.workers.list({ namespace })
    expect(workers.map(({ instanceId }) => instanceId)).toEqual([alive])
  })
})

describe('the ready announcer', () => {
  const pulse = (model: ModelBackend) => model.maintenance.pulse({ partitions: [partition] })

  it('announces a lane whose head has waited, quickly at first and then at the usual pulses', async () => {
    const model = openModel()
    await submit(model)
    const scanner = readyAnnouncer()
    const { context, seen } = contextOf(model)
    scanner.readPulse(context, await pulse(model))
    expect(seen.hints).toEqual([])
    await model.maintenance.advanceTime({ byMs: 251 })
    const nextPauses: (number | undefined)[] = []
    for (let each = 0; each < 6; each++) {
      const answer = await pulse(model)
      const { nextDueAtMs } = scanner.readPulse(context, answer)
      nextPauses.push(nextDueAtMs === undefined ? undefined : nextDueAtMs - answer.nowMs)
    }
    expect(nextPauses).toEqual([250, 250, 250, 250, undefined, undefined])
    expect(seen.hints).toHaveLength(6)
    expect(seen.hints[0]).toEqual({ type: 'ready', namespace, lane, count: 0 })
  })

  it('leaves out the namespaces that the filter doesn’t name', async () => {
    const model = openModel()
    await submit(model)
    await model.maintenance.advanceTime({ byMs: 300 })
    const { context, seen } = contextOf(model, { namespaces: [parseNamespace('other')] })
    expect(readyAnnouncer().readPulse(context, await pulse(model)).processed).toBe(0)
    expect(seen.hints).toEqual([])
  })
})

describe('the index reconciler', () => {
  it('reports a state that should not exist, as a failure and not as a change', async () => {
    const model = openModel()
    const id = await submit(model)
    const record = must(model.store.executions.get(id), 'the record')
    record.state = { ...record.state, ownershipState: 'leased' }
    const { report, seen } = await pass(indexReconciler(), model)
    expect(report.processed).toBe(0)
    expect(report.errors).toBeGreaterThan(0)
    expect(seen.counts['index_reconciler_found_total{violation}']).toBe(report.errors)
  })
})

describe('the retention trimmer', () => {
  it('removes what is past its time, once, and leaves what is not', async () => {
    const model = openModel()
    const old = await submit(model, { retentionMs: 1_000 })
    const { handle } = await claim(model)
    await model.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }] })
    const young = await submit(model)
    await model.maintenance.advanceTime({ byMs: 1_001 })
    const { report, seen } = await pass(retentionTrimmer(), model)
    expect(report.errors).toBe(0)
    expect(seen.counts['retention_removed_total{execution}']).toBe(1)
    await expect(model.executions.get({ namespace, id: old })).rejects.toMatchObject({
      code: 'execution_not_found',
    })
    expect(await stateOf(model, young)).toBe('waiting')
    expect((await pass(retentionTrimmer(), model)).report.processed).toBe(0)
  })
})
