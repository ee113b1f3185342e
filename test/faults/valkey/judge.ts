import {
  type AttemptRecord,
  type Execution,
  type ExecutionId,
  type FoundationBackend,
  isEngineError,
  type PartitionTag,
  partitionIndexOf,
  publicStates,
  terminalPublicStates,
} from '@flowfabric/core'
import { expect } from 'vitest'
import { flowPartitions } from '../../support/drive.js'
import { findViolations } from '../../support/invariants.js'
import { allAttempts, allExecutions, allFlows, allNodes } from '../../support/listing.js'
import { until } from '../../support/until.js'
import type { Answered, Ledger, Seen, SeenEnd } from './ledger.js'
import { isPassing, type Lines, namespace } from './load.js'

const isTerminal = (state: string) => (terminalPublicStates as readonly string[]).includes(state)

export interface Losses {
  readonly executions: number
  readonly flows: number
  readonly ends: number
  /** How long before its kill the oldest of them had been acknowledged. */
  readonly oldestMs: number
}

/** Nothing is stuck: whatever the store has comes to an end by itself. */
export async function untilAllEnded(backend: FoundationBackend, withinMs = 60_000): Promise<void> {
  const states = publicStates.filter((state) => !isTerminal(state))
  const look = async () => {
    const { count } = await backend.executions.count({ namespace, filter: { states } })
    if (count > 0) return false
    const live = await backend.flows.list({ namespace, states: ['open', 'cancelling'], limit: 1 })
    return live.items.length === 0 && (await backend.maintenance.describe()).counts.outbox === 0
  }
  await until(
    'everything that the store has is ended',
    async () => look().catch(ignorePassing),
    withinMs,
  ).catch(async (error: Error) => {
    const { items } = await backend.executions.list({ namespace, limit: 5, filter: { states } })
    const live = await backend.flows.list({ namespace, states: ['open', 'cancelling'], limit: 5 })
    const { counts } = await backend.maintenance.describe()
    throw new Error(`${error.message}: ${JSON.stringify({ items, flows: live.items, counts })}`)
  })
}

function ignorePassing(error: unknown): false {
  if (isPassing(error)) return false
  throw error
}

/**
 * Compares what the store has with what it has said: nothing that was acknowledged is missing but what a kill may have
 * taken, no execution has two outcomes, epochs rose, and the rules of the conformance suite hold. Nothing may run meanwhile.
 */
export async function expectAsTold(
  backend: FoundationBackend,
  ledger: Ledger,
  /** What waits for its durability is never lost; claims never wait. */
  durable: 'acknowledged' | 'outside the window',
  /** Which of several deployments it is. */
  which?: string,
): Promise<Losses> {
  const { partitions: counts } = await backend.maintenance.describe()
  const partitions: readonly PartitionTag[] = flowPartitions(counts.flow)
  const stored = new Map((await allExecutions(backend, namespace)).map((each) => [each.id, each]))
  const wrong: string[] = []
  const lost = { executions: 0, flows: 0, ends: 0, oldestMs: 0 }
  const note = (what: 'executions' | 'flows' | 'ends', partition: number, told: Answered, text: string) => {
    const kill = ledger.mayBeLostBy(partition, told)
    if (kill === undefined || durable === 'acknowledged') wrong.push(text)
    lost[what] += 1
    lost.oldestMs = Math.max(lost.oldestMs, (kill?.atMs ?? 0) - told.atMs)
  }

  for (const [id, told] of ledger.executions) {
    if (!stored.has(id)) note('executions', partitionIndexOf(id), told, `${id} is lost`)
  }
  const flows = new Map((await allFlows(backend, namespace)).map((each) => [each.id, each]))
  for (const [id, told] of ledger.flows) {
    const flow = flows.get(id)
    if (flow === undefined) note('flows', told.partition, told, `flow ${id} is lost`)
    else if (!['completed', 'failed', 'cancelled'].includes(flow.state))
      wrong.push(`flow ${id} is ${flow.state}`)
    else if ((await allNodes(backend, namespace, id)).length !== flow.summary.totalMembers)
      wrong.push(`flow ${id} has lost members`)
  }
  for (const [id, ends] of ledger.ends) {
    const execution = stored.get(id)
    if (execution === undefined) continue
    const attempts = await allAttempts(backend, namespace, id)
    for (const [place, end] of ends.entries()) {
      if (place === ends.length - 1 && isRecorded(end, execution, attempts)) continue
      const kills = ledger.kills.filter(({ serves }) => serves(partitionIndexOf(id)))
      const told = { end, ends, claims: ledger.claims.get(id), attempts, kills }
      const text = `${id}: an end that was told is not what it is, ${execution.publicState}: ${JSON.stringify(told)}`
      note('ends', partitionIndexOf(id), end, text)
    }
  }
  wrong.push(...(await strayResults(backend, ledger, [...stored.values()])))
  for (const [id, claims] of ledger.claims) {
    wrong.push(...fallenEpochs(ledger, id, claims))
    const leases = new Set(claims.map(({ leaseId }) => leaseId))
    if (leases.size < claims.length) wrong.push(`${id}: a lease was handed out twice`)
  }
  for (const { id, error, atMs } of ledger.errors) {
    const isGone =
      isEngineError(error, 'execution_not_found') &&
      id !== undefined &&
      !stored.has(id) &&
      ledger.kills.length > 0
    if (!isGone && !(ledger.kills.length > 0 && isPassing(error)))
      wrong.push(`a caller was told at ${Math.round(atMs)}: ${String(error)}`)
  }
  expect(wrong, which).toEqual([])
  expect(await findViolations({ backend, namespace, partitions })).toEqual([])
  return lost
}

/** The recorded outcome is that one, brought by that lease. */
function isRecorded(
  { outcome, by }: SeenEnd,
  { publicState }: Execution,
  attempts: readonly AttemptRecord[],
): boolean {
  if (publicState !== outcome) return false
  if (by === undefined) return true
  const last = attempts.at(-1)
  return last !== undefined && last.index === by.attemptIndex && last.epoch === by.epoch
}

/** Every recorded result is what a run of that execution has returned. */
async function strayResults(
  backend: FoundationBackend,
  { results }: Ledger,
  stored: readonly Execution[],
): Promise<string[]> {
  const completed = stored.filter(({ publicState }) => publicState === 'completed').map(({ id }) => id)
  const stray: string[] = []
  for (let at = 0; at < completed.length; at += RESULTS_PER_CALL) {
    const ids = completed.slice(at, at + RESULTS_PER_CALL)
    const { items } = await backend.executions.getResult({ namespace, ids })
    for (const [place, item] of items.entries()) {
      const id = ids[place] as ExecutionId
      const text =
        item.outcome === 'success' && item.result !== null ? Buffer.from(item.result).toString() : ''
      const isOwn = text !== '' && results.get(id)?.has(String(JSON.parse(text)))
      if (!isOwn) stray.push(`${id}: the recorded result ${text} is of no run`)
    }
  }
  return stray
}

const RESULTS_PER_CALL = 100

/** Of two leases that were given one after the other, the second has the higher epoch, unless a kill took the first. */
function fallenEpochs(ledger: Ledger, id: ExecutionId, claims: readonly Seen[]): string[] {
  const fallen: string[] = []
  const inOrder = [...claims].sort((one, other) => one.atMs - other.atMs)
  for (const [place, { epoch, leaseId, atMs }] of inOrder.entries()) {
    const before = inOrder[place - 1]
    if (before === undefined || epoch > before.epoch || leaseId === before.leaseId) continue
    if (ledger.mayBeLostBy(partitionIndexOf(id), { ...before, beganAtMs: before.atMs }) === undefined)
      fallen.push(`${id}: epoch ${epoch} at ${atMs} after ${before.epoch} at ${before.atMs}`)
  }
  return fallen
}

const defects = [
  'A record did not fit its indexes',
  'The net under the dispatcher caught something',
  'A dependency could not be reconciled',
  'A record of an edge does not decode',
  'A scanner failed on a pulse',
]

/** The nets of engines that ran meanwhile caught nothing, and nobody met a record that cannot be read. */
export function expectNoDefects(lines: Lines): void {
  const isDefect = ({ message, fields }: Lines[number]) =>
    defects.includes(message) || /corruption|internal_error/.test(JSON.stringify(fields))
  expect(lines.filter(isDefect)).toEqual([])
}

/** As far as an application can tell, nothing has happened: no line but of leases that were left or cancelled. */
export function expectNobodyNoticed(lines: Lines, ledger: Ledger): void {
  expect(ledger.errors).toEqual([])
  expect(lines.filter(({ message }) => message !== 'an attempt is lost')).toEqual([])
}
