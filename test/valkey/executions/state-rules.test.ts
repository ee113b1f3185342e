import {
  attemptStates,
  type DelayReason,
  eligibilityStates,
  lifecyclePhases,
  nextTimerOf,
  publicStateOf,
  publicStates,
  runnableVector,
  type StateVector,
  terminalOutcomes,
  terminalPublicStates,
} from '@flowfabric/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  attemptFields as A,
  policyFields as P,
  waitsFields as V,
  executionFields as X,
} from '../../../packages/backend-valkey/src/generated/layouts.js'
import {
  attemptStateLetters,
  delayLetters,
  eligibilityLetters,
  outcomeLetters,
  phaseLetters,
  publicStateLetters,
  reasonLetters,
} from '../../../packages/backend-valkey/src/records/letters.js'
import { type LuaRules, openLuaRules } from '../library/ask-lua.js'

let rules: LuaRules

beforeAll(async () => {
  rules = await openLuaRules()
})

afterAll(() => rules.close())

type Fields = Readonly<Record<string, number>>

/** A record of which a rule reads these fields alone. */
function recordOf<Layout extends Fields>(
  layout: Layout,
  values: Partial<Record<keyof Layout, unknown>>,
): unknown[] {
  const record: unknown[] = Object.keys(layout).map(() => 0)
  for (const [field, value] of Object.entries(values)) record[layout[field] ?? -1] = value
  return record
}

/** Every vector that has a public state, whether or not the rest of it fits together. */
function allVectors(): readonly StateVector[] {
  return lifecyclePhases.flatMap((lifecyclePhase) =>
    eligibilityStates.flatMap((eligibilityState) =>
      terminalOutcomes
        .filter((outcome) => (outcome === 'none') === (lifecyclePhase !== 'terminal'))
        .flatMap((terminalOutcome) =>
          attemptStates.map((attemptState) => ({
            lifecyclePhase,
            ownershipState: 'unowned' as const,
            eligibilityState,
            blockingReason: 'none' as const,
            terminalOutcome,
            attemptState,
          })),
        ),
    ),
  )
}

it('derives the public state of every vector as core does', async () => {
  const vectors = allVectors()
  const told = await rules.ask(
    ['state'],
    vectors.map((vector) =>
      recordOf(X, {
        phase: phaseLetters.write(vector.lifecyclePhase),
        elig: eligibilityLetters.write(vector.eligibilityState),
        out: outcomeLetters.write(vector.terminalOutcome),
        att: attemptStateLetters.write(vector.attemptState),
      }),
    ),
    'return { state.public(case), state.is_terminal(case) }',
  )
  const expected = vectors.map((vector) => [
    publicStateLetters.write(publicStateOf(vector)),
    vector.lifecyclePhase === 'terminal',
  ])
  expect(told).toEqual(expected)
  expect(new Set(told.map(([letter]) => letter)).size).toBe(publicStates.length)
})

it('knows which public states are ends', async () => {
  const letters = publicStates.map((each) => publicStateLetters.write(each))
  const told = await rules.ask(['state'], letters, 'return { state.ended[case] or false }')
  const isEnd = (each: string) => (terminalPublicStates as readonly string[]).includes(each)
  expect(told).toEqual(publicStates.map((each) => [isEnd(each)]))
})

it('shows the dominant block of a runnable execution as core does', async () => {
  const nowMs = 100
  const reasons: readonly DelayReason[] = ['start_time', 'retry_backoff', 'reclaim_backoff', 'resume_delay']
  const cases = [true, false].flatMap((dependencies) =>
    [true, false].flatMap((held) =>
      [null, 99, 100, 101].flatMap((notBeforeMs) =>
        reasons.map((delayReason) => ({ dependencies, held, notBeforeMs, delayReason })),
      ),
    ),
  )
  const told = await rules.ask(
    ['state'],
    cases.map(({ dependencies, held, notBeforeMs, delayReason }) =>
      recordOf(X, {
        deps: dependencies ? 1 : 0,
        held: held ? 1 : 0,
        not_before: notBeforeMs ?? 0,
        delay: delayLetters.write(delayReason),
      }),
    ),
    `return { state.dominant_block(case, ${nowMs}) }`,
  )
  const expected = cases.map((blocks) => {
    const vector = runnableVector(blocks, nowMs, 'pending_first_attempt')
    return [eligibilityLetters.write(vector.eligibilityState), reasonLetters.write(vector.blockingReason)]
  })
  expect(told).toEqual(expected)
})

const times = [null, 50, 60] as const

interface Due {
  readonly phase: 'active' | 'delayed' | 'suspended' | 'escalated' | 'held' | 'terminal'
  readonly isClaimed: boolean
  readonly graceMs: number | null
  readonly deadlineMs: number | null
  readonly queueTtlMs: number | null
  readonly attemptMs: number | null
  readonly leaseMs: number | null
  readonly promoteMs: number | null
}

/** Every execution with some of the timers due at one of two times. */
function allDue(): readonly Due[] {
  const found: Due[] = []
  for (const phase of ['active', 'delayed', 'suspended', 'escalated', 'held', 'terminal'] as const)
    for (const isClaimed of [true, false])
      for (const graceMs of times)
        for (const deadlineMs of times)
          for (const queueTtlMs of times)
            for (const attemptMs of times)
              for (const leaseMs of times)
                for (const promoteMs of times)
                  found.push({
                    phase,
                    isClaimed,
                    graceMs,
                    deadlineMs,
                    queueTtlMs,
                    attemptMs,
                    leaseMs,
                    promoteMs,
                  })
  return found
}

const firstEligibleMs = 10
const sinceEligible = (atMs: number | null) => (atMs === null ? 0 : atMs - firstEligibleMs)

function dueRecord({ phase, isClaimed, ...due }: Due): unknown[] {
  return recordOf(X, {
    phase: phaseOf[phase],
    elig: phase === 'delayed' ? 't' : phase === 'held' ? 'o' : '-',
    epoch: isClaimed ? 2 : 1,
    gen_epoch: 1,
    first_at: firstEligibleMs,
    not_before: due.promoteMs ?? 0,
    grace: due.graceMs ?? 0,
    policy:
      due.deadlineMs === null && due.queueTtlMs === null
        ? 0
        : recordOf(P, { deadline: sinceEligible(due.deadlineMs), queue_ttl: sinceEligible(due.queueTtlMs) }),
    attempt: recordOf(A, { deadline: due.attemptMs ?? 0, expires: due.leaseMs ?? 0 }),
    waits: recordOf(V, { times_out: due.promoteMs ?? 0, escalated: phase === 'escalated' ? 1 : 0 }),
  })
}

const phaseOf: Readonly<Record<Due['phase'], string>> = {
  active: 'a',
  delayed: 'r',
  suspended: 's',
  escalated: 's',
  held: 'r',
  terminal: 't',
}

it.each([true, false])('finds the next timer as core does, with leases %s', async (withLease) => {
  const cases = allDue()
  const question = `local kind, at = state.next_timer(case, ${withLease}) return { kind or 'none', at or 0 }`
  const told = await rules.ask(['state'], cases.map(dueRecord), question)
  cases.forEach((due, place) => {
    const isActive = due.phase === 'active'
    const next =
      due.phase === 'terminal'
        ? null
        : nextTimerOf({
            graceEndsAtMs: due.graceMs,
            deadlineAtMs: due.deadlineMs,
            queueTtlAtMs: due.isClaimed ? null : due.queueTtlMs,
            attemptDeadlineAtMs: isActive ? due.attemptMs : null,
            leaseExpiresAtMs: isActive && withLease ? due.leaseMs : null,
            suspensionTimeoutAtMs: due.phase === 'suspended' ? due.promoteMs : null,
            promoteAtMs: due.phase === 'delayed' ? due.promoteMs : null,
          })
    expect(told[place], JSON.stringify(due)).toEqual([next?.kind ?? 'none', next?.dueAtMs ?? 0])
  })
})

it('takes what is past its deadline or its time in the queue for no work', async () => {
  const cases = allDue().filter(({ phase }) => phase === 'held')
  const told = await rules.ask(['state'], cases.map(dueRecord), 'return { state.is_past_deadline(case, 55) }')
  const expected = cases.map(({ isClaimed, deadlineMs, queueTtlMs }) => [
    deadlineMs === 50 || (!isClaimed && queueTtlMs === 50),
  ])
  expect(told).toEqual(expected)
})
