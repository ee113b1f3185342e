import { type ChildEnd, type DispatchItem, type ExecutionId, limits, type Namespace } from '@flowfabric/core'
import { isActive, isTerminal } from './facts.js'
import { addWatcher, type ChildId, childrenToStop, endOf, stopChildren, tellOfOwnEnd } from './family.js'
import { cancelFlow } from './flow-cancel.js'
import type { ExecutionRecord, FlowRecord, MessageRecord } from './records.js'
import { step } from './step.js'
import type { Model } from './store.js'
import { hearOfEnd } from './suspending.js'
import { cancelExecution } from './transition.js'

/** Carries a message to as many of its receivers as one step may reach; it goes with the last. Twice does no harm. */
export function carry(model: Model, message: MessageRecord): DispatchItem {
  const more = step(model, () => reach(model, message))
  if (!more) model.messages.delete(message.id)
  return { outcome: 'delivered', entryId: message.id, message: message.kind, more }
}

/** Answers whether receivers are left. */
function reach(model: Model, message: MessageRecord): boolean {
  switch (message.kind) {
    case 'child_linked':
      link(model, message)
      return false
    case 'child_watched':
      watch(model, message)
      return false
    case 'child_ended':
      return tellWatchers(model, message)
    case 'parent_stopped':
      return stop(model, message)
    case 'holder_cancelled':
      cancelHolder(model, message)
      return false
  }
}

type Message<Kind extends MessageRecord['kind']> = Extract<MessageRecord, { readonly kind: Kind }>

function link(model: Model, { namespace, child, parent }: Message<'child_linked' | 'child_watched'>): void {
  const x = executionIn(model, namespace, parent.id)
  if (x === undefined) return
  const known = x.children.get(child)
  const row = known ?? { id: child, linked: true, detached: parent.detached, end: null, stopped: false }
  x.children.set(child, { ...row, linked: true, detached: parent.detached })
  stopChildren(model, x)
}

function watch(model: Model, { namespace, child, parent }: Message<'child_linked' | 'child_watched'>): void {
  const found = childIn(model, namespace, child)
  // One that is gone may still have its end on its way.
  if (found === undefined && !model.watchers.has(child)) {
    tell(model, namespace, parent.id, { id: child, generation: 0, outcome: 'not_found' })
    return
  }
  addWatcher(model, child, parent.id)
  if (found !== undefined && endOf(found) !== null) tellOfOwnEnd(model, found)
}

/** An end that does not stand any more, since the child runs again, is told to nobody. */
function tellWatchers(model: Model, { namespace, child, end }: Message<'child_ended'>): boolean {
  const now = childIn(model, namespace, child)
  if (now !== undefined && now.generation !== end.generation) return false
  const watchers = model.watchers.get(child) ?? new Set()
  for (const watcher of [...watchers].slice(0, limits.familyBatchMax)) {
    tell(model, namespace, watcher, end)
    watchers.delete(watcher)
  }
  if (watchers.size > 0) return true
  model.watchers.delete(child)
  return false
}

/** An end that is not news, by its generation, changes nothing. */
function tell(model: Model, namespace: Namespace, parent: ExecutionId, end: ChildEnd): void {
  const x = executionIn(model, namespace, parent)
  if (x === undefined) return
  const row = x.children.get(end.id) ?? {
    id: end.id,
    linked: false,
    detached: true,
    end: null,
    stopped: false,
  }
  if (row.end !== null && row.end.generation >= end.generation) return
  x.children.set(end.id, { ...row, end })
  hearOfEnd(model, x, end)
}

function stop(model: Model, { namespace, parent, generation }: Message<'parent_stopped'>): boolean {
  const x = executionIn(model, namespace, parent.id)
  if (x === undefined || !isTerminal(x) || x.generation !== generation) return false
  for (const row of childrenToStop(x).slice(0, limits.familyBatchMax)) {
    row.stopped = true
    const child = childIn(model, namespace, row.id)
    if (child === undefined || endOf(child) !== null) continue
    if ('members' in child) cancelFlow(model, { namespace, flowId: child.id, policy: 'cancel_all' })
    else cancelExecution(model, child, 'parent')
  }
  return childrenToStop(x).length > 0
}

/** It may have ended, or run under another lease, since. */
function cancelHolder(model: Model, { namespace, executionId, epoch }: Message<'holder_cancelled'>): void {
  const x = executionIn(model, namespace, executionId)
  if (x !== undefined && isActive(x) && x.epoch === epoch) cancelExecution(model, x, 'quota')
}

function executionIn(model: Model, namespace: Namespace, id: ExecutionId): ExecutionRecord | undefined {
  const x = model.executions.get(id)
  return x?.namespace === namespace ? x : undefined
}

function childIn(model: Model, namespace: Namespace, id: ChildId): ExecutionRecord | FlowRecord | undefined {
  const found = model.executions.get(id as never) ?? model.flows.get(id as never)
  return found?.namespace === namespace ? found : undefined
}
