import type { StateVector } from './vector.js'

/**
 * Where an execution stands, in one word: the classes of state vectors that events treat alike.
 */
export const situations = [
  'draft_root',
  'blocked',
  'held',
  'delayed',
  'ready',
  'throttled',
  'active',
  'reclaimable',
  'put_aside',
  'suspended',
  'resumable',
  'ended',
] as const
export type Situation = (typeof situations)[number]

/** Each situation in a sentence, for people. */
export const situationMeanings: Readonly<Record<Situation, string>> = {
  draft_root: 'A root of a draft: nothing can claim it before the seal.',
  blocked: 'Its edge group has not let it go.',
  held: 'An operator holds it.',
  delayed: 'It waits for a time: a start, a retry, or the pause before a reclaim.',
  ready: 'It can be claimed.',
  throttled: 'A claim found no room for it in a quota or a budget; all that names the same waits behind it.',
  active: 'A worker holds its lease.',
  reclaimable: 'Its lease was lost; it can be claimed, and its last holder may still end it.',
  put_aside:
    'Its worker gave the lease back until a time, or a suspension was resumed and waits for its delay.',
  suspended: 'Its worker gave the lease back until a condition holds; the attempt is kept.',
  resumable: 'That time has come, or that condition holds; the same attempt goes on at the next claim.',
  ended: 'It is terminal. Only a replay moves it.',
}

export function situationOf(vector: StateVector): Situation {
  switch (vector.lifecyclePhase) {
    case 'submitted':
      return 'draft_root'
    case 'active':
      return 'active'
    case 'suspended':
      return 'suspended'
    case 'terminal':
      return 'ended'
    case 'runnable':
      return runnableSituation(vector)
  }
}

function runnableSituation(vector: StateVector): Situation {
  switch (vector.eligibilityState) {
    case 'blocked_by_dependencies':
      return 'blocked'
    case 'blocked_by_operator':
      return 'held'
    case 'blocked_by_budget':
    case 'blocked_by_quota':
      return 'throttled'
    case 'not_eligible_until_time':
      return vector.attemptState === 'attempt_interrupted' ? 'put_aside' : 'delayed'
    case 'eligible_now':
    case 'not_applicable':
      if (vector.attemptState === 'pending_resume') return 'resumable'
      return vector.ownershipState === 'lease_expired_reclaimable' ? 'reclaimable' : 'ready'
  }
}
