import {
  type AttemptRecord,
  type Execution,
  type ExecutionId,
  type FoundationBackend,
  type PartitionTag,
  partitionTagOf,
} from '@flowfabric/core'
import { createClient } from '@flowfabric/sdk'
import { expect } from 'vitest'
import { flowPartitions } from '../../support/drive.js'
import { findViolations } from '../../support/invariants.js'
import { allAttempts, allExecutions } from '../../support/listing.js'
import type { Answered, Facts, Kill, Ledger, Seen } from './ledger.js'
import { namespace } from './names.js'
import type { Lines } from './node.js'
import type { Judgement, Role } from './role.js'

export interface Losses {
  /** How many of each kind. */
  readonly lost: Readonly<Record<string, number>>
  /** How long before its kill the oldest of them had been acknowledged. */
  readonly oldestMs: number
}

/**
 * Compares what the store has with what it has said: nothing that was acknowledged is missing but what a kill may have
 * taken, no execution has two outcomes, epochs rose, and the rules of the conformance suite hold. Nothing may run meanwhile.
 */
export async function expectAsTold(
  backend: FoundationBackend,
  ledger: Ledger,
  roles: readonly Role[],
  /** What waits for its durability is never lost; claims never wait. */
  durable: 'acknowledged' | 'outside the window',
  /** Which of several deployments it is. */
  which?: string,
): Promise<Losses> {
  const { partitions: counts } = await backend.maintenance.describe()
  const partitions: readonly PartitionTag[] = flowPartitions(counts.flow)
  const stored = new Map((await allExecutions(backend, namespace)).map((each) => [each.id, each]))
  const results = await readResults(backend, [...stored.values()])
  const client = createClient({ connect: { backend, namespace } })
  const wrong: string[] = ledger.all('wrong').map(({ text }) => text)
  const lost: Record<string, number> = {}
  let oldestMs = 0
  const judgement: Judgement = {
    backend,
    client,
    stored,
    ofKind: (kind) => [...stored.values()].filter((each) => each.kind === kind),
    resultOf: (id) => results.get(id),
    isDurable: durable === 'acknowledged',
    wrong: (text) => wrong.push(text),
    lost(what, partition, told, text) {
      const kill: Kill | undefined = ledger.mayBeLostBy(partition, told)
      if (kill === undefined || durable === 'acknowledged') wrong.push(text)
      lost[what] = (lost[what] ?? 0) + 1
      oldestMs = Math.max(oldestMs, (kill?.atMs ?? 0) - told.atMs)
    },
  }
  await judgeExecutions(judgement, ledger)
  for (const role of roles) await role.judge(judgement)
  client.close()
  for (const error of ledger.all('error'))
    if (!isExcused(error, ledger, judgement.isDurable)) wrong.push(`a caller was told: ${error.text}`)
  expect(wrong.slice(0, WRONG_SHOWN), which).toEqual([])
  expect(await findViolations({ backend, namespace, partitions })).toEqual([])
  return { lost, oldestMs }
}

/** Enough to see what it is about. */
const WRONG_SHOWN = 40

/** A call that failed while a server was away, and one about what that has lost. */
function isExcused({ code, isPassing }: Facts['error'], { kills }: Ledger, isDurable: boolean): boolean {
  return kills.length > 0 && (isPassing || (!isDurable && code?.endsWith('_not_found') === true))
}

async function judgeExecutions(judgement: Judgement, ledger: Ledger): Promise<void> {
  const { backend, stored, resultOf, wrong, lost } = judgement
  for (const [id, told] of ledger.executions) {
    if (!stored.has(id)) lost('executions', partitionTagOf(id), told, `${id} is lost`)
  }
  for (const [id, told] of ledger.ends) {
    // In the order of the runs: one whose lease was lost may be told its end after a later one.
    const ends = [...told].sort((one, other) => one.beganAtMs - other.beganAtMs)
    const execution = stored.get(id)
    if (execution === undefined) continue
    const attempts = await allAttempts(backend, namespace, id)
    for (const [place, end] of ends.entries()) {
      const isLast = ends.slice(place + 1).every(({ generation }) => generation !== end.generation)
      if (isLast && isRecorded(end, execution, attempts)) continue
      const facts = JSON.stringify({ end, ends, claims: ledger.claims.get(id), attempts })
      const text = `${id}: an end that was told is not what it is, ${execution.publicState}: ${facts}`
      lost('ends', partitionTagOf(id), end, text)
    }
  }
  for (const { id, publicState } of stored.values()) {
    const result = resultOf(id)
    // Every recorded result is what a run of that execution has returned.
    if (publicState === 'completed' && !(result !== undefined && ledger.results.get(id)?.has(result)))
      wrong(`${id}: the recorded result ${result} is of no run`)
  }
  for (const [id, claims] of ledger.claims) {
    for (const text of fallenEpochs(ledger, id, claims)) wrong(text)
    const leases = new Set(claims.map(({ leaseId }) => leaseId))
    if (leases.size < claims.length) wrong(`${id}: a lease was handed out twice`)
  }
}

const endedAs: Readonly<Record<Facts['end']['outcome'], readonly AttemptRecord['state'][]>> = {
  completed: ['ended_success'],
  failed: ['ended_failure'],
  cancelled: ['ended_failure', 'ended_cancelled'],
}

/** The recorded outcome of that generation is that one, brought by that lease. */
function isRecorded(
  { outcome, generation, by }: Facts['end'],
  execution: Execution,
  attempts: readonly AttemptRecord[],
): boolean {
  if (generation === execution.generation && execution.publicState !== outcome) return false
  if (by === undefined) return generation <= execution.generation
  const last = attempts.findLast((each) => each.generation === generation)
  const isSame = last?.index === by.attemptIndex && last.epoch === by.epoch
  return isSame && endedAs[outcome].includes(last.state)
}

async function readResults(
  backend: FoundationBackend,
  stored: readonly Execution[],
): Promise<ReadonlyMap<ExecutionId, string>> {
  const results = new Map<ExecutionId, string>()
  const completed = stored.filter(({ publicState }) => publicState === 'completed').map(({ id }) => id)
  for (let at = 0; at < completed.length; at += RESULTS_PER_CALL) {
    const ids = completed.slice(at, at + RESULTS_PER_CALL)
    const { items } = await backend.executions.getResult({ namespace, ids })
    for (const [place, item] of items.entries()) {
      if (item.outcome !== 'success' || item.result === null) continue
      results.set(ids[place] as ExecutionId, String(JSON.parse(Buffer.from(item.result).toString())))
    }
  }
  return results
}

const RESULTS_PER_CALL = 100

/** Of two leases that were given one after the other, the second has the higher epoch, unless a kill took the first. */
function fallenEpochs(ledger: Ledger, id: ExecutionId, claims: readonly Seen[]): string[] {
  const fallen: string[] = []
  const inOrder = [...claims].sort((one, other) => one.atMs - other.atMs)
  for (const [place, { epoch, leaseId, atMs }] of inOrder.entries()) {
    const before = inOrder[place - 1]
    if (before === undefined || epoch > before.epoch || leaseId === before.leaseId) continue
    const told: Answered = { ...before, beganAtMs: before.atMs }
    if (ledger.mayBeLostBy(partitionTagOf(id), told) === undefined)
      fallen.push(`${id}: epoch ${epoch} at ${atMs} after ${before.epoch} at ${before.atMs}`)
  }
  return fallen
}

/** The net under the dispatcher may be quicker than that one when a store comes back: a pass that failed is tried again so late. */
const netMessages = ['The net under the dispatcher caught something', 'A dependency could not be reconciled']
const netSlackMs = 15_000

const defects = [
  'A record did not fit its indexes',
  'A record of an edge does not decode',
  'A scanner failed on a pulse',
]

/** The nets of engines that ran meanwhile caught nothing, and nobody met a record that cannot be read. */
export function expectNoDefects(lines: Lines, { kills }: Ledger): void {
  const isExpected = (atMs: number) =>
    kills.some((kill) => atMs >= kill.atMs && atMs <= kill.backAtMs + netSlackMs)
  const isDefect = ({ message, fields, atMs }: Lines[number]) =>
    (netMessages.includes(message) && !isExpected(atMs)) ||
    defects.includes(message) ||
    /corruption|internal_error/.test(JSON.stringify(fields))
  expect(lines.filter(isDefect)).toEqual([])
}

/** As far as an application can tell, nothing has happened: no line but of leases that were left or cancelled. */
export function expectNobodyNoticed(lines: Lines, ledger: Ledger): void {
  expect(ledger.all('error')).toEqual([])
  expect(lines.filter(({ message }) => message !== 'an attempt is lost')).toEqual([])
}
