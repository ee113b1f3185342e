import {
  type BulkOperations,
  type ChangeOperation,
  type CreateOperation,
  checkChangeOperation,
  checkCreateOperation,
  checkGetOperation,
  checkListOperations,
  checkScanRequest,
  type ExecutionFilter,
  type ExecutionId,
  engineError,
  type FlowId,
  limits,
  makePartitionTag,
  must,
  type Namespace,
  type Operation,
  type OperationAdvanceItem,
  type OperationId,
  type OperationWork,
  type PartitionTag,
  type PublicState,
  publicStates,
  quotaPartition,
  readRecordPlace,
  type ScanRequest,
  type ScanResult,
  terminalPublicStates,
  uuidOf,
  writeRecordPlace,
} from '@flowfabric/core'
import { isTerminal } from './facts.js'
import { hint } from './feed.js'
import type { ExecutionRecord } from './records.js'
import { reopen, replayFlow } from './replay.js'
import { selectExecutions } from './select.js'
import { step } from './step.js'
import { type Model, operate } from './store.js'
import { cancelExecution, endExecution } from './transition.js'

/** All that the model knows of a bulk operation. */
export interface OperationRecord {
  readonly namespace: Namespace
  readonly id: OperationId
  readonly work: OperationWork
  readonly createdAtMs: number
  state: Operation['state']
  endedAtMs: number | null
  total: number | null
  isCounted: boolean
  done: number
  unchanged: number
  failures: { readonly executionId: ExecutionId; readonly code: string }[]
  /** Since when it is due, while it runs. */
  dueAtMs: number
  /** The last that it has looked at. */
  place: string | null
}

export function createOperations(model: Model): BulkOperations {
  return {
    create: (params) => operate(model, () => create(model, params)),

    get: (params) =>
      operate(model, () => {
        checkGetOperation(params)
        return { outcome: 'found' as const, operation: view(find(model, params)) }
      }),

    list: (params) =>
      operate(model, () => {
        checkListOperations(params)
        const after = params.cursor === undefined ? undefined : readRecordPlace(params.cursor)
        const sorted = [...model.operations.values()]
          .filter(({ namespace }) => namespace === params.namespace)
          .sort((a, b) => (keyOf(a) < keyOf(b) ? 1 : -1))
        const last = after && keyOf({ createdAtMs: after.createdAtMs, id: after.id as OperationId })
        const rest = last === undefined ? sorted : sorted.filter((each) => keyOf(each) < last)
        const page = rest.slice(0, params.limit ?? limits.pageSizeDefault)
        const end = page.at(-1)
        const isLast = end === undefined || page.length === rest.length
        return {
          items: page.map(view),
          nextCursor: isLast ? null : writeRecordPlace(end),
        }
      }),

    pause: (params) =>
      change(model, params, (operation) => {
        if (operation.state === 'paused') return 'already_paused'
        if (operation.endedAtMs !== null) return 'already_ended'
        operation.state = 'paused'
        return 'paused'
      }),

    resume: (params) =>
      change(model, params, (operation) => {
        if (operation.endedAtMs !== null) return 'already_ended'
        if (operation.state === 'running') return 'not_paused'
        operation.state = 'running'
        operation.dueAtMs = model.clock.nowMs()
        return 'resumed'
      }),

    stop: (params) =>
      change(model, params, (operation) => {
        if (operation.endedAtMs !== null) return 'already_ended'
        end(model, operation, 'stopped')
        return 'stopped'
      }),

    advance: (params) => operate(model, () => advance(model, params)),
  }
}

/** When somebody has to look next at one of a partition. */
export function nextOperationIn(model: Model, partition: PartitionTag): number | null {
  const times = operationsIn(model, partition).flatMap((each) => dueAtOf(each) ?? [])
  return times.length === 0 ? null : Math.min(...times)
}

function create(model: Model, params: CreateOperation) {
  checkCreateOperation(params)
  const { namespace, operationId: id, work } = params
  const known = model.operations.get(`${namespace}/${id}`)
  if (known !== undefined) {
    if (canonical(known.work) !== canonical(work)) return { outcome: 'operation_conflict' as const }
    return { outcome: 'duplicate' as const, operation: view(known) }
  }
  return { outcome: 'created' as const, operation: view(beginOperation(model, { namespace, id, work })) }
}

/** A new job, which is due at once. */
export function beginOperation(
  model: Model,
  { namespace, id, work }: Pick<OperationRecord, 'namespace' | 'id' | 'work'>,
): OperationRecord {
  const operation: OperationRecord = {
    namespace,
    id,
    work: structuredClone(work),
    createdAtMs: model.clock.nowMs(),
    state: 'running',
    endedAtMs: null,
    total: null,
    isCounted: false,
    done: 0,
    unchanged: 0,
    failures: [],
    dueAtMs: model.clock.nowMs(),
    place: null,
  }
  model.operations.set(`${namespace}/${id}`, operation)
  announce(model, operation)
  return operation
}

function change<Outcome extends string>(
  model: Model,
  params: ChangeOperation,
  apply: (operation: OperationRecord) => Outcome,
): Promise<{ readonly outcome: Outcome }> {
  return operate(model, () => {
    checkChangeOperation(params)
    const operation = find(model, params)
    const outcome = apply(operation)
    announce(model, operation)
    return { outcome }
  })
}

function advance(model: Model, params: ScanRequest): ScanResult<OperationAdvanceItem> {
  checkScanRequest(params, model.partitions, 'quota')
  const nowMs = model.clock.nowMs()
  const due = operationsIn(model, params.partition)
    .filter((each) => (dueAtOf(each) ?? Number.POSITIVE_INFINITY) <= nowMs)
    .sort((a, b) => (dueAtOf(a) ?? 0) - (dueAtOf(b) ?? 0) || (nameOf(a) < nameOf(b) ? -1 : 1))
    .slice(0, Math.min(params.max, limits.operationsPerCall))
    // What a breach left comes before the rest.
    .sort((a, b) => (budgetOf(a) < budgetOf(b) ? -1 : budgetOf(a) > budgetOf(b) ? 1 : 0))
  const room = Math.max(Math.floor(params.max / Math.max(due.length, 1)), 1)
  const items = due.map((operation) => takeOn(model, operation, room))
  const nextDueAtMs = nextOperationIn(model, params.partition)
  return {
    items,
    ...(nextDueAtMs === null ? {} : { nextDueAtMs }),
    more: due.some(({ state }) => state === 'running'),
  }
}

function budgetOf({ work }: OperationRecord): string {
  return work.kind === 'budget_breach' ? work.budgetId : '~'
}

/** The next of its executions, in one step. */
function takeOn(model: Model, operation: OperationRecord, room: number): OperationAdvanceItem {
  const { id: operationId, work } = operation
  const before = { ...view(operation) }
  const tell = (outcome: OperationAdvanceItem['outcome']): OperationAdvanceItem => {
    const { done, unchanged, failed } = view(operation)
    return {
      outcome,
      operationId,
      done: done - before.done,
      unchanged: unchanged - before.unchanged,
      failed: failed - before.failed,
    }
  }
  if (operation.endedAtMs !== null) {
    model.operations.delete(nameOf(operation))
    return tell('removed')
  }
  const all = selectTargets(model, operation)
  if (!operation.isCounted && work.kind !== 'budget_breach') operation.total = all.length
  const rest = all
    .filter((x) => work.kind !== 'replay' || (x.terminalAtMs ?? 0) <= operation.createdAtMs)
    .sort((a, b) => (placeOf(a) < placeOf(b) ? 1 : -1))
    .filter((x) => operation.place === null || placeOf(x) < operation.place)
  const batch = rest.slice(0, room)
  const last = batch.at(-1)
  if (last !== undefined) operation.place = placeOf(last)
  if (work.kind === 'replay') replayAll(model, operation, batch)
  else endAll(model, operation, batch)
  operation.isCounted = true
  operation.dueAtMs = model.clock.nowMs()
  if (batch.length === room) return tell('advanced')
  end(model, operation, 'completed')
  return tell('completed')
}

/** What was there when it began, and matches now. */
function selectTargets(
  model: Model,
  { namespace, work, createdAtMs: bound }: OperationRecord,
): readonly ExecutionRecord[] {
  const isBreach = work.kind === 'budget_breach'
  const filter = isBreach ? { states: statesOf(false) } : withStates(work)
  return selectExecutions(model, namespace, filter).filter(
    ({ createdAtMs, demands }) =>
      createdAtMs <= bound &&
      (!isBreach || demands.budgets.some(({ budgetId }) => budgetId === work.budgetId)),
  )
}

function endAll(model: Model, operation: OperationRecord, batch: readonly ExecutionRecord[]): void {
  const { work } = operation
  const isBreach = work.kind === 'budget_breach'
  step(model, () => {
    for (const x of batch) {
      // One may have followed another that it stood on.
      if (isTerminal(x)) operation.unchanged += 1
      else if (!isBreach || x.state.lifecyclePhase !== 'active') {
        cancelExecution(model, x, isBreach ? 'budget' : 'operator')
        operation.done += 1
      } else if (work.rule === 'fail_running') {
        endExecution(model, x, { outcome: 'failed', failure: budgetFailure, endedBy: 'cancel' })
        operation.done += 1
      } else operation.unchanged += 1
    }
  })
}

const budgetFailure = { category: 'budget_exceeded', message: 'a budget is past its hard limit' }

function replayAll(model: Model, operation: OperationRecord, batch: readonly ExecutionRecord[]): void {
  const flows = new Map<FlowId, ExecutionRecord[]>()
  for (const x of batch) {
    if (x.flowId !== null) flows.set(x.flowId, [...(flows.get(x.flowId) ?? []), x])
    else if (x.replayCount >= limits.replaysMax) fail(operation, x.id, 'max_replays_exceeded')
    else {
      step(model, () => reopen(model, x, undefined))
      operation.done += 1
    }
  }
  for (const [flowId, members] of flows) replayMembersOf(model, operation, flowId, members)
}

/** Together, or where that is refused one by one: those that went with another are done. */
function replayMembersOf(
  model: Model,
  operation: OperationRecord,
  flowId: FlowId,
  members: readonly ExecutionRecord[],
): void {
  const replay = (from: readonly ExecutionRecord[]) =>
    step(
      model,
      () =>
        replayFlow(model, { namespace: operation.namespace, flowId, from: from.map(({ id }) => id) }).outcome,
    )
  const together = replay(members)
  if (together === 'replayed') {
    operation.done += members.length
    return
  }
  if (members.length === 1) {
    fail(operation, must(members[0], 'a member').id, together)
    return
  }
  const generations = new Map(members.map((x) => [x.id, x.generation]))
  for (const x of members) {
    const outcome = x.generation === generations.get(x.id) ? replay([x]) : 'replayed'
    if (outcome === 'replayed') operation.done += 1
    else fail(operation, x.id, outcome)
  }
}

function fail(operation: OperationRecord, executionId: ExecutionId, code: string): void {
  operation.failures.push({ executionId, code })
}

function end(model: Model, operation: OperationRecord, state: 'completed' | 'stopped'): void {
  operation.state = state
  operation.endedAtMs = model.clock.nowMs()
}

function withStates({
  kind,
  filter,
}: Exclude<OperationWork, { readonly kind: 'budget_breach' }>): ExecutionFilter {
  return { ...filter, states: filter.states ?? statesOf(kind === 'replay') }
}

/** Those of what has ended, or all others. */
function statesOf(isEnd: boolean): readonly PublicState[] {
  const ends: readonly PublicState[] = terminalPublicStates
  return publicStates.filter((state) => ends.includes(state) === isEnd)
}

function announce(model: Model, operation: OperationRecord): void {
  const dueAtMs = dueAtOf(operation)
  if (dueAtMs === null) return
  hint(model, { type: 'due', partition: tagOf(model, operation), dueAtMs })
}

function dueAtOf({ state, dueAtMs, endedAtMs }: OperationRecord): number | null {
  if (state === 'running') return dueAtMs
  return endedAtMs === null ? null : endedAtMs + limits.operationRetentionMs
}

function find(
  model: Model,
  { namespace, operationId }: { readonly namespace: Namespace; readonly operationId: OperationId },
): OperationRecord {
  const found = model.operations.get(`${namespace}/${operationId}`)
  if (found !== undefined) return found
  throw engineError('operation_not_found', `there is no operation ${operationId}`)
}

function operationsIn(model: Model, partition: PartitionTag): OperationRecord[] {
  return [...model.operations.values()].filter((each) => tagOf(model, each) === partition)
}

function tagOf({ partitions }: Model, { namespace, id }: OperationRecord): PartitionTag {
  return makePartitionTag('quota', quotaPartition(namespace, id, partitions.quota))
}

function view(operation: OperationRecord): Operation {
  const { id, work, state, done, unchanged, failures, total, createdAtMs, endedAtMs } = operation
  return {
    id,
    work,
    state,
    done,
    unchanged,
    failed: failures.length,
    total,
    failures: failures.slice(0, limits.operationFailuresKept),
    createdAtMs,
    endedAtMs,
  }
}

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? ''
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  const fields = Object.entries(value).filter(([, part]) => part !== undefined)
  return `{${fields
    .map(([name, part]) => `${name}:${canonical(part)}`)
    .sort()
    .join()}}`
}

const nameOf = ({ namespace, id }: OperationRecord) => `${namespace}/${id}`
const keyOf = ({ createdAtMs, id }: Pick<OperationRecord, 'createdAtMs' | 'id'>) =>
  `${String(createdAtMs).padStart(15, '0')}.${id}`
const placeOf = ({ createdAtMs, id }: ExecutionRecord) =>
  `${String(createdAtMs).padStart(15, '0')}.${uuidOf(id)}`
