import { describe, expect, it } from 'vitest'
import { suspensionReasons } from '../contract/suspensions.js'
import {
  activeVector,
  type Blocks,
  draftRootVector,
  runnableVector,
  suspendedVector,
  terminalVector,
  vectorViolations,
} from './blocks.js'
import { publicStateOf, publicStates } from './public-state.js'
import { attemptStates, type StateVector, terminalOutcomes } from './vector.js'

const free: Blocks = { dependencies: false, held: false, notBeforeMs: null, delayReason: 'start_time' }

describe('a runnable execution', () => {
  it.each([
    [{ dependencies: true, held: true, notBeforeMs: 200 }, 'blocked_by_dependencies', 'waiting_children'],
    [{ held: true, notBeforeMs: 200 }, 'blocked_by_operator', 'waiting'],
    [{ notBeforeMs: 200 }, 'not_eligible_until_time', 'delayed'],
    [{ notBeforeMs: 100 }, 'eligible_now', 'waiting'],
    [{}, 'eligible_now', 'waiting'],
  ] as const)('under %o shows the dominant block', (blocks, eligibility, publicState) => {
    const vector = runnableVector({ ...free, ...blocks }, 100, 'pending_first_attempt')
    expect(vector.eligibilityState).toBe(eligibility)
    expect(publicStateOf(vector)).toBe(publicState)
    expect(vectorViolations(vector)).toEqual([])
  })

  it('keeps the other blocks when one is lifted', () => {
    const blocks: Blocks = { ...free, dependencies: true, held: true, notBeforeMs: 200 }
    const lifted = runnableVector({ ...blocks, dependencies: false }, 100, 'pending_first_attempt')
    expect(lifted.blockingReason).toBe('paused_by_operator')
    expect(runnableVector({ ...blocks, held: false }, 100, 'pending_first_attempt').blockingReason).toBe(
      'waiting_for_children',
    )
  })

  it('is resumable when an attempt of its own goes on', () => {
    expect(publicStateOf(runnableVector(free, 0, 'pending_resume'))).toBe('resumable')
  })
})

describe('every documented vector', () => {
  const vectors: StateVector[] = [
    activeVector,
    draftRootVector,
    ...terminalOutcomes.filter((outcome) => outcome !== 'none').map(terminalVector),
    runnableVector(free, 0, 'pending_reclaim_attempt', 'lease_expired_reclaimable'),
    ...suspensionReasons.flatMap((reason) => [suspendedVector(reason, false), suspendedVector(reason, true)]),
  ]

  it('is possible', () => {
    for (const vector of vectors) expect(vectorViolations(vector), JSON.stringify(vector)).toEqual([])
  })

  it('has a public state of the list', () => {
    for (const vector of vectors) expect(publicStates).toContain(publicStateOf(vector))
  })
})

describe('an impossible vector is found', () => {
  it.each([
    ['V1', { ...terminalVector('success'), terminalOutcome: 'none' }],
    ['V2', { ...activeVector, ownershipState: 'unowned' }],
    ['V3', { ...terminalVector('failed'), ownershipState: 'lease_expired_reclaimable' }],
    ['V4', { ...activeVector, eligibilityState: 'eligible_now' }],
    ['V5', { ...activeVector, attemptState: 'pending_resume' }],
    ['V6', { ...terminalVector('failed'), attemptState: 'pending_retry_attempt' }],
    ['V7', { ...runnableVector(free, 0, 'pending_first_attempt'), blockingReason: 'none' }],
    ['V8', { ...runnableVector(free, 0, 'pending_first_attempt'), attemptState: attemptStates[0] }],
    ['V9', { ...suspendedVector('signal', false), attemptState: 'pending_resume' }],
  ] as const)('%s', (number, vector) => {
    expect(vectorViolations(vector as StateVector).some((text) => text.startsWith(number))).toBe(true)
  })
})
