import {
  type ExplainFacts,
  type ResumeCondition,
  type SuspensionTimeoutBehaviour,
  type SuspensionView,
  unreachable,
  type Waitpoint,
  type WaitpointId,
  waitpointsOf,
} from '@flowfabric/core'
import type { ExplainReason } from './explanation.js'

/** What it waits for, on which waitpoints, and when it gives up. `waitpoints` are the execution's, as far as they were read. */
export function explainSuspension(
  { execution, suspension, nowMs }: ExplainFacts,
  waitpoints: readonly Waitpoint[],
): ExplainReason {
  const { blockingReason } = execution.state
  const named = suspension === null ? [] : waitpointsOf(suspension.condition)
  const evidence = {
    blockingReason,
    suspension,
    waitpoints: waitpoints.filter(({ id }) => named.includes(id)),
  }
  const isEscalated = suspension?.escalated ?? false
  const timesOut = suspension !== null && suspension.timesOutAtMs !== null && !isEscalated
  return {
    reason: 'suspended',
    message: describeSuspension(suspension, blockingReason, evidence.waitpoints, nowMs),
    evidence,
    sinceMs: suspension?.sinceMs ?? null,
    releasedBy: isEscalated
      ? 'what it waits for, or a release by an operator'
      : `what it waits for${timesOut ? ', or its timeout' : ''}`,
  }
}

function describeSuspension(
  suspension: SuspensionView | null,
  blockingReason: string,
  waitpoints: readonly Waitpoint[],
  nowMs: number,
): string {
  if (suspension === null) return `It waits on purpose: ${blockingReason}.`
  const names = new Map(waitpoints.map(({ id, name }) => [id, name]))
  const closed = waitpoints.filter(({ state }) => state !== 'open')
  return [
    `It waits for ${describeCondition(suspension.condition, names)}.`,
    ...(closed.length === 0
      ? []
      : [`No more signals come to ${closed.map(({ name, state }) => `${name} (${state})`).join(', ')}.`]),
    ...describeTimeout(suspension, nowMs),
  ].join(' ')
}

function describeTimeout(
  { escalated, timesOutAtMs, timeoutBehaviour }: SuspensionView,
  nowMs: number,
): readonly string[] {
  if (escalated) return ['Its timeout has handed it to an operator.']
  if (timesOutAtMs === null || timeoutBehaviour === null) return []
  const inMs = timesOutAtMs - nowMs
  const when = inMs <= 0 ? 'Any moment now' : `In ${inMs} ms`
  return [`${when} it times out: then it ${timeoutWords[timeoutBehaviour]}.`]
}

const timeoutWords: Record<SuspensionTimeoutBehaviour, string> = {
  fail: 'fails',
  cancel: 'is cancelled',
  expire: 'expires',
  auto_resume: 'goes on',
  auto_resume_with_timeout_signal: 'goes on, and is told so by a signal',
  escalate: 'waits for an operator too',
}

type Names = ReadonlyMap<WaitpointId, string>

function describeCondition(condition: ResumeCondition, names: Names): string {
  const inner = (of: readonly ResumeCondition[]) => of.map((each) => describeCondition(each, names))
  switch (condition.kind) {
    case 'signal':
      return `a signal${describeMatch(condition)} on ${nameOf(condition.waitpointId, names)}`
    case 'child':
      return `the end of ${condition.id}`
    case 'count':
      return describeCount(condition, names)
    case 'all_of':
      return condition.of.length === 1
        ? inner(condition.of).join('')
        : `(${inner(condition.of).join(' and ')})`
    case 'any_of':
      return condition.of.length === 1
        ? inner(condition.of).join('')
        : `(${inner(condition.of).join(' or ')})`
    default:
      return unreachable(condition)
  }
}

type Count = Extract<ResumeCondition, { readonly kind: 'count' }>

function describeCount(count: Count, names: Names): string {
  const { n, of, waitpointIds } = count
  const match = describeMatch(count)
  const on = waitpointIds.map((id) => nameOf(id, names)).join(', ')
  if (of === 'signals') return `${n} signals${match} on ${on}`
  if (of === 'sources') return `signals${match} of ${n} different sources on ${on}`
  return `signals${match} on ${n} of ${on}`
}

function describeMatch({ match }: Pick<Count, 'match'>): string {
  const named = match?.name === undefined ? '' : ` ‘${match.name}’`
  return match?.payload === undefined ? named : `${named} with a certain payload`
}

function nameOf(id: WaitpointId, names: Names): string {
  return names.get(id) ?? id
}
