import type { Situation } from './situations.js'

/** What can happen to an execution. */
export const transitionEvents = [
  'seal',
  'group_run',
  'group_skip',
  'new_edge',
  'hold',
  'release',
  'due',
  'room',
  'claim',
  'complete',
  'fail_retryable',
  'fail_final',
  'delay',
  'yield',
  'suspend',
  'signal',
  'suspension_timeout',
  'revoke',
  'lease_expiry',
  'attempt_timeout',
  'cancel',
  'cancel_with_grace',
  'deadline',
  'queue_ttl',
  'flow_deadline',
  'draft_expiry',
  'change_priority',
  'replay',
] as const
export type TransitionEvent = (typeof transitionEvents)[number]

/** Each event in a sentence, for people. */
export const eventMeanings: Readonly<Record<TransitionEvent, string>> = {
  seal: 'The draft is opened.',
  group_run: 'Its edge group lets it run.',
  group_skip: 'Its edge group skips it.',
  new_edge: 'An `extend` adds an incoming edge.',
  hold: 'An operator puts a block on it.',
  release: 'The operator lifts it.',
  due: 'The time that it waits for has come.',
  room: 'There is room again in what it waits for, a quota or a budget.',
  claim: 'A worker that serves it asks for work.',
  complete: 'The last holder reports success.',
  fail_retryable: 'The last holder reports a failure that the policy retries.',
  fail_final: 'The last holder reports a failure that is not retried.',
  delay: 'The last holder gives the lease back until a time.',
  yield: 'The last holder hands it back unstarted.',
  suspend: 'The last holder gives the lease back until a condition holds.',
  signal: 'A signal comes to a waitpoint of it, such as its condition wants if it is suspended.',
  suspension_timeout: 'The condition did not hold in time.',
  revoke: 'An operator takes the lease away.',
  lease_expiry: 'The lease ran out and is reaped.',
  attempt_timeout: 'The attempt ran for too long.',
  cancel: 'It is cancelled, by an operator or by its flow.',
  cancel_with_grace: 'It is asked to end, and cancelled after the grace.',
  deadline: 'Its own deadline, which runs from when it first became eligible.',
  queue_ttl: 'It was not claimed in time.',
  flow_deadline: 'The deadline of its flow.',
  draft_expiry: 'The draft was not sealed in time.',
  change_priority: 'Its priority is changed.',
  replay: 'It is to run again.',
}

export type Transition =
  /** It comes to be in one of these, as its other blocks, its policy and its flow have it. */
  | { readonly kind: 'moves'; readonly to: readonly Situation[]; readonly note?: string }
  /** Accepted, and the situation is the same afterwards. */
  | { readonly kind: 'stays'; readonly note?: string }
  /** Refused with this outcome; nothing changes. */
  | { readonly kind: 'refused'; readonly outcome: string }
  /** Cannot happen there. */
  | { readonly kind: 'never'; readonly because: string }

const to = (...list: readonly Situation[]): Transition => ({ kind: 'moves', to: list })
const noted = (note: string, ...list: readonly Situation[]): Transition => ({ kind: 'moves', to: list, note })
const stays = (note?: string): Transition => ({ kind: 'stays', ...(note === undefined ? {} : { note }) })
const refused = (outcome: string): Transition => ({ kind: 'refused', outcome })
const never = (because: string): Transition => ({ kind: 'never', because })

const notDraft = never('its flow is no draft')
const noGroup = never('its group has decided, or it has none')
const noLease = never('it has no lease')
const noHandle = never('nobody holds a handle of it')
const isClaimed = never('it was claimed before')
const notWaiting = never('it waits for no time')
const notThrottled = never('it waits for no room')
const notSuspended = never('it is not suspended')
const buffered = stays('kept for a suspension to come')
const notHandedOut = stays('not handed out')

/** What a claim, a late holder and an operator find where nobody works on it. */
const unheld = {
  seal: notDraft,
  group_run: noGroup,
  group_skip: noGroup,
  due: notWaiting,
  room: notThrottled,
  claim: notHandedOut,
  complete: noHandle,
  fail_retryable: noHandle,
  fail_final: noHandle,
  delay: noHandle,
  yield: noHandle,
  suspend: noHandle,
  signal: buffered,
  suspension_timeout: notSuspended,
  revoke: refused('execution_not_active'),
  lease_expiry: noLease,
  attempt_timeout: noLease,
  cancel: to('ended'),
  cancel_with_grace: noted('there is nobody to ask', 'ended'),
  flow_deadline: to('ended'),
  draft_expiry: notDraft,
  change_priority: stays(),
  replay: refused('replay_conflict'),
} as const

/** What the last holder may still do after its lease was reaped, until the next claim. */
const late = {
  complete: noted('late', 'ended'),
  fail_retryable: noted('late', 'ready', 'delayed'),
  fail_final: noted('late', 'ended'),
  delay: refused('lease_expired'),
  yield: refused('lease_expired'),
  suspend: refused('lease_expired'),
} as const

/** What the holder of an attempt that was delayed may still send. */
const givenBack = {
  complete: refused('execution_not_active'),
  fail_retryable: refused('execution_not_active'),
  fail_final: refused('execution_not_active'),
  delay: stays('its repeat answers what it answered first'),
  yield: refused('execution_not_active'),
  suspend: refused('execution_not_active'),
} as const

/**
 * The state machine: situation × event → outcome, without a hole. `docs/state-machine.md` is made from it, and a test
 * walks each cell with every store.
 */
export const transitions: Readonly<Record<Situation, Readonly<Record<TransitionEvent, Transition>>>> = {
  draft_root: {
    ...unheld,
    seal: to('ready', 'delayed', 'held'),
    new_edge: to('blocked'),
    hold: stays('shows once it is sealed'),
    release: refused('not_held'),
    deadline: never('it has not become eligible'),
    queue_ttl: never('it has not become eligible'),
    flow_deadline: never('it runs from the seal'),
    draft_expiry: to('ended'),
    replay: refused('flow_not_open'),
  },
  blocked: {
    ...unheld,
    seal: stays(),
    group_run: to('ready', 'delayed', 'held'),
    group_skip: to('ended'),
    new_edge: stays('while its group is pending'),
    hold: stays('shows once its group lets it go'),
    release: refused('not_held'),
    deadline: never('it has not become eligible'),
    queue_ttl: never('it has not become eligible'),
    draft_expiry: to('ended'),
    replay: stays('its next generation, which waits too'),
  },
  held: {
    ...unheld,
    new_edge: noted('if it was never claimed', 'blocked'),
    hold: stays('already_held'),
    release: to('ready', 'delayed', 'reclaimable', 'put_aside', 'resumable'),
    due: stays('the hold is left'),
    deadline: to('ended'),
    queue_ttl: to('ended'),
  },
  delayed: {
    ...unheld,
    ...late,
    new_edge: noted('if it was never claimed', 'blocked'),
    hold: to('held'),
    release: refused('not_held'),
    due: to('ready', 'reclaimable'),
    deadline: noted('if it was eligible before', 'ended'),
    queue_ttl: never('it has not become eligible, or was claimed before'),
  },
  ready: {
    ...unheld,
    new_edge: noted('if it was never claimed', 'blocked'),
    hold: to('held'),
    release: refused('not_held'),
    claim: noted('unless a quota or a budget has no room for it', 'active', 'throttled', 'ended'),
    deadline: to('ended'),
    queue_ttl: to('ended'),
  },
  throttled: {
    ...unheld,
    new_edge: noted('if it was never claimed', 'blocked'),
    hold: to('held'),
    release: refused('not_held'),
    room: noted('as it was before the claim', 'ready', 'reclaimable', 'resumable'),
    claim: stays('nothing of its admission key is looked at'),
    deadline: to('ended'),
    queue_ttl: to('ended'),
  },
  active: {
    seal: notDraft,
    group_run: noGroup,
    group_skip: noGroup,
    new_edge: refused('edge_group_decided'),
    hold: refused('execution_active'),
    release: refused('not_held'),
    due: notWaiting,
    room: notThrottled,
    claim: notHandedOut,
    complete: to('ended'),
    fail_retryable: to('ready', 'delayed'),
    fail_final: to('ended'),
    delay: to('put_aside', 'resumable'),
    yield: noted('as it was before the claim', 'ready'),
    suspend: noted('unless what came early satisfies it', 'suspended'),
    signal: buffered,
    suspension_timeout: notSuspended,
    revoke: noted(
      'the first at once, later ones after a pause, at last failed',
      'reclaimable',
      'delayed',
      'ended',
    ),
    lease_expiry: noted(
      'the first at once, later ones after a pause, at last failed',
      'reclaimable',
      'delayed',
      'ended',
    ),
    attempt_timeout: to('ready', 'delayed', 'ended'),
    cancel: to('ended'),
    cancel_with_grace: stays('until the grace is over'),
    deadline: to('ended'),
    queue_ttl: isClaimed,
    flow_deadline: to('ended'),
    draft_expiry: notDraft,
    change_priority: stays('holds for its later attempts'),
    replay: refused('replay_conflict'),
  },
  reclaimable: {
    ...unheld,
    ...late,
    new_edge: refused('edge_group_decided'),
    hold: to('held'),
    release: refused('not_held'),
    claim: noted('unless a quota or a budget has no room for it', 'active', 'throttled', 'ended'),
    deadline: to('ended'),
    queue_ttl: isClaimed,
  },
  put_aside: {
    ...unheld,
    ...givenBack,
    new_edge: refused('edge_group_decided'),
    hold: to('held'),
    release: refused('not_held'),
    due: to('resumable'),
    deadline: to('ended'),
    queue_ttl: isClaimed,
  },
  suspended: {
    ...unheld,
    ...givenBack,
    delay: refused('execution_not_active'),
    suspend: stays('its repeat answers what it answered first'),
    signal: noted('when its condition holds by it; else it stays', 'resumable', 'put_aside', 'held'),
    suspension_timeout: noted(
      'as the timeout behaves; escalated, it stays',
      'ended',
      'resumable',
      'put_aside',
      'held',
    ),
    new_edge: refused('edge_group_decided'),
    hold: stays('shows once it resumes'),
    release: refused('not_held'),
    deadline: to('ended'),
    queue_ttl: isClaimed,
  },
  resumable: {
    ...unheld,
    ...givenBack,
    new_edge: refused('edge_group_decided'),
    hold: to('held'),
    release: refused('not_held'),
    claim: noted(
      'the same attempt, unless a quota or a budget has no room for it',
      'active',
      'throttled',
      'ended',
    ),
    deadline: to('ended'),
    queue_ttl: isClaimed,
  },
  ended: {
    seal: stays(),
    group_run: stays('only the group changes'),
    group_skip: stays('only the group changes'),
    new_edge: refused('edge_group_decided'),
    hold: refused('execution_terminal'),
    release: refused('execution_terminal'),
    due: notWaiting,
    room: notThrottled,
    claim: notHandedOut,
    complete: stays('its repeat answers what it answered first'),
    fail_retryable: refused('execution_not_active'),
    fail_final: refused('execution_not_active'),
    delay: refused('execution_not_active'),
    yield: refused('execution_not_active'),
    suspend: refused('execution_not_active'),
    signal: refused('waitpoint_closed'),
    suspension_timeout: notSuspended,
    revoke: refused('execution_not_active'),
    lease_expiry: noLease,
    attempt_timeout: noLease,
    cancel: refused('execution_terminal'),
    cancel_with_grace: refused('execution_terminal'),
    deadline: stays(),
    queue_ttl: stays(),
    flow_deadline: stays(),
    draft_expiry: stays(),
    change_priority: refused('execution_terminal'),
    replay: noted('its next generation', 'ready', 'blocked'),
  },
}
