import type {
  AttemptRecordState,
  AttemptState,
  AttemptType,
  BlockingReason,
  CancelCause,
  ChildEnd,
  DelayReason,
  EligibilityState,
  EndedBy,
  FlowState,
  LifecyclePhase,
  OwnershipState,
  PublicState,
  ResumedBy,
  SignalEvent,
  StateVector,
  StreamMode,
  SuspensionReason,
  SuspensionTimeoutBehaviour,
  TerminalOutcome,
  WaitpointState,
} from '@flowfabric/core'
import { engineError } from '@flowfabric/core'

/** Which letter stands for which word in stored records. Letters are never given another meaning. */

interface Letters<Word extends string> {
  /** Throws `corruption` for a letter that stands for nothing. */
  read(letter: unknown): Word
  write(word: Word): string
}

function letters<Word extends string>(what: string, table: Readonly<Record<Word, string>>): Letters<Word> {
  const words = new Map(Object.entries(table).map(([word, letter]) => [letter, word as Word]))
  return {
    read(letter) {
      const word = words.get(letter)
      if (word !== undefined) return word
      throw engineError('corruption', `${String(letter)} is no ${what}`, { subject: what })
    },
    write: (word) => table[word],
  }
}

export const phaseLetters = letters<LifecyclePhase>('lifecycle phase', {
  submitted: 'u',
  runnable: 'r',
  active: 'a',
  suspended: 's',
  terminal: 't',
})

export const ownershipLetters = letters<OwnershipState>('ownership', {
  unowned: '-',
  leased: 'l',
  lease_expired_reclaimable: 'x',
})

export const eligibilityLetters = letters<EligibilityState>('eligibility', {
  eligible_now: 'e',
  not_eligible_until_time: 't',
  blocked_by_dependencies: 'd',
  blocked_by_budget: 'b',
  blocked_by_quota: 'q',
  blocked_by_operator: 'o',
  not_applicable: '-',
})

export const reasonLetters = letters<BlockingReason>('blocking reason', {
  none: '-',
  waiting_for_worker: 'w',
  waiting_for_delay: 'd',
  waiting_for_retry_backoff: 'r',
  waiting_for_reclaim_backoff: 'c',
  waiting_for_resume_delay: 'm',
  waiting_for_children: 'n',
  waiting_for_budget: 'b',
  waiting_for_quota: 'q',
  waiting_for_signal: 's',
  waiting_for_approval: 'a',
  waiting_for_callback: 'k',
  waiting_for_tool_result: 't',
  waiting_for_child: 'h',
  paused_by_operator: 'o',
})

export const outcomeLetters = letters<TerminalOutcome>('outcome', {
  none: '-',
  success: 's',
  failed: 'f',
  cancelled: 'c',
  expired: 'e',
  skipped: 'k',
})

export const attemptStateLetters = letters<AttemptState>('attempt state', {
  none: '-',
  pending_first_attempt: '1',
  running_attempt: 'r',
  attempt_interrupted: 'i',
  pending_resume: 'm',
  pending_retry_attempt: 't',
  pending_reclaim_attempt: 'c',
  pending_replay_attempt: 'p',
  attempt_terminal: 'z',
})

/** The six letters of a state vector, in the order of `layouts.mjs`. Throws `corruption`. */
export function readVector(letters: ArrayLike<unknown>): StateVector {
  return {
    lifecyclePhase: phaseLetters.read(letters[0]),
    ownershipState: ownershipLetters.read(letters[1]),
    eligibilityState: eligibilityLetters.read(letters[2]),
    blockingReason: reasonLetters.read(letters[3]),
    terminalOutcome: outcomeLetters.read(letters[4]),
    attemptState: attemptStateLetters.read(letters[5]),
  }
}

export const delayLetters = letters<DelayReason>('reason of a delay', {
  start_time: 's',
  retry_backoff: 'r',
  reclaim_backoff: 'c',
  resume_delay: 'm',
})

export const attemptTypeLetters = letters<AttemptType>('type of an attempt', {
  initial: 'i',
  retry: 't',
  reclaim: 'c',
  replay: 'p',
})

export const attemptRecordStateLetters = letters<AttemptRecordState>('state of an attempt', {
  started: 's',
  suspended: 'u',
  ended_success: 'c',
  ended_failure: 'f',
  ended_cancelled: 'x',
  interrupted_reclaimed: 'i',
})

export const endedByLetters = letters<EndedBy>('end of an attempt', {
  holder: 'h',
  lease_expiry: 'l',
  revocation: 'v',
  attempt_timeout: 't',
  suspension_timeout: 'u',
  deadline: 'd',
  cancel: 'c',
  skip: 's',
})

export const publicStateLetters = letters<PublicState>('public state', {
  waiting: 'w',
  resumable: 'm',
  delayed: 'd',
  waiting_children: 'b',
  rate_limited: 'q',
  active: 'a',
  suspended: 's',
  completed: 'c',
  failed: 'f',
  cancelled: 'x',
  expired: 'e',
  skipped: 'k',
})

export const causeLetters = letters<CancelCause>('cause of a cancel', {
  operator: 'operator',
  flow: 'flow',
  sibling: 'sibling',
  ancestor: 'ancestor',
  parent: 'parent',
  draft_expired: 'draft_expired',
  quota: 'quota',
  suspension_timeout: 'suspension_timeout',
  budget: 'budget',
})

export const suspensionReasonLetters = letters<SuspensionReason>('reason of a suspension', {
  signal: 's',
  approval: 'a',
  callback: 'k',
  tool_result: 't',
  child: 'h',
})

export const timeoutBehaviourLetters = letters<SuspensionTimeoutBehaviour>('behaviour of a timeout', {
  fail: 'f',
  cancel: 'c',
  expire: 'e',
  auto_resume: 'r',
  auto_resume_with_timeout_signal: 's',
  escalate: 'k',
})

export const resumedByLetters = letters<ResumedBy>('end of a suspension', {
  condition: 'c',
  timeout: 't',
  operator: 'o',
})

export const waitpointStateLetters = letters<WaitpointState>('state of a waitpoint', {
  open: 'o',
  closed: 'c',
  expired: 'e',
})

export const childEndLetters = letters<ChildEnd['outcome']>('end of a child', {
  success: 's',
  failed: 'f',
  cancelled: 'c',
  expired: 'e',
  skipped: 'k',
  not_found: 'n',
})

export const signalOutcomeLetters = letters<SignalEvent['outcome']>('outcome of a signal', {
  accepted: 'a',
  satisfied: 's',
  buffered: 'b',
})

export const flowStateLetters = letters<FlowState>('state of a flow', {
  draft: 'd',
  open: 'o',
  replaying: 'p',
  cancelling: 'l',
  completed: 'c',
  failed: 'f',
  cancelled: 'x',
})

export const streamModeLetters = letters<StreamMode>('stream mode', {
  durable: 'd',
  summary: 's',
  best_effort: 'b',
})
