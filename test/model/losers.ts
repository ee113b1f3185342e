import type { SiblingCancelItem } from '@flowfabric/core'
import { must } from '@flowfabric/core'
import { incomingOf, isNeededIn, isTerminal } from './facts.js'
import type { ExecutionRecord, FlowRecord, GroupRecord, Wanted } from './records.js'
import type { Model } from './store.js'
import { cancelExecution } from './transition.js'

type Disposition = SiblingCancelItem['siblings'][number]

/** Carries out the sibling cancel of a fired group: its pending edges are the work list. Tuple and flag go last. */
export function cancelSiblings(model: Model, flow: FlowRecord, group: GroupRecord): Disposition[] {
  const join = must(group.join, 'only a group with a known policy fires')
  const dispositions: Disposition[] = []
  for (const edge of incomingOf(flow, group.node).filter((edge) => edge.state === 'pending')) {
    if (group.siblingCancel?.exempt.has(edge.from)) continue
    const sibling = model.executions.get(edge.from)
    const wanted: Wanted = { cause: 'sibling', ancestors: join.ancestors }
    if (sibling === undefined) {
      dispositions.push({ id: edge.from, disposition: 'not_found', via: 'sibling' })
    } else if (isTerminal(sibling)) {
      dispositions.push({ id: edge.from, disposition: 'already_terminal', via: 'sibling' })
    } else if (!join.cancelShared && isNeededIn(model, flow, sibling)) {
      sibling.wanted ??= wanted
      dispositions.push({ id: edge.from, disposition: 'spared', via: 'sibling' })
    } else {
      dispositions.push(...cancelLoser(model, flow, sibling, wanted))
    }
  }
  group.siblingCancel = null
  return dispositions
}

/** Cancels one that lost, and what only it fed: nobody runs on for nobody. */
export function cancelLoser(
  model: Model,
  flow: FlowRecord,
  loser: ExecutionRecord,
  wanted: Wanted,
): Disposition[] {
  const dispositions: Disposition[] = [{ id: loser.id, disposition: 'cancelled', via: wanted.cause }]
  cancelExecution(model, loser, wanted.cause)
  if (wanted.ancestors === 'let_run') return dispositions
  for (const edge of incomingOf(flow, loser.id)) {
    const ancestor = must(model.executions.get(edge.from), `member ${edge.from}`)
    if (isTerminal(ancestor)) continue
    if (isNeededIn(model, flow, ancestor)) {
      ancestor.wanted ??= { cause: 'ancestor', ancestors: wanted.ancestors }
      dispositions.push({ id: ancestor.id, disposition: 'spared', via: 'ancestor' })
    } else {
      dispositions.push(
        ...cancelLoser(model, flow, ancestor, { cause: 'ancestor', ancestors: wanted.ancestors }),
      )
    }
  }
  return dispositions
}
