import {
  type ChildEnd,
  type ExecutionId,
  type FlowId,
  isExecutionId,
  must,
  type Namespace,
  type ParentLink,
  type PartitionTag,
  partitionTagOf,
} from '@flowfabric/core'
import { isTerminal, isTerminalFlow, recordedOutcomeOf } from './facts.js'
import { flowTagOf, hint } from './feed.js'
import type { ExecutionRecord, FlowRecord, MessageRecord } from './records.js'
import type { Model } from './store.js'
import { mintEntry } from './transition.js'

/**
 * What parents and children leave for each other. They may live in different partitions, so each message is written in the
 * step that causes it, waits in the outbox of that step's partition, and is carried over by a dispatcher: `carrying.ts`.
 */

export type ChildId = ExecutionId | FlowId

/** A child was submitted: its parent comes to know it, and is told of its end. */
export function linkToParent(
  model: Model,
  child: { readonly id: ChildId; readonly namespace: Namespace; readonly parent: ParentLink | null },
): void {
  if (child.parent === null) return
  leaveMessage(model, tagOf(model, child.id), {
    kind: 'child_linked',
    namespace: child.namespace,
    child: child.id,
    parent: child.parent,
  })
}

/** A suspension waits for a child: one that is unknown here is asked to tell of its end. */
export function watchChild(model: Model, x: ExecutionRecord, child: ChildId): void {
  if (x.children.has(child)) return
  x.children.set(child, { id: child, linked: false, detached: true, end: null, stopped: false })
  leaveMessage(model, partitionTagOf(x.id), {
    kind: 'child_watched',
    namespace: x.namespace,
    child,
    parent: { id: x.id, detached: true },
  })
}

/** Something has ended: its parent and whoever else waits for it are to be told. */
function tellOfEnd(
  model: Model,
  child: { readonly id: ChildId; readonly namespace: Namespace; readonly parent: ParentLink | null },
  end: ChildEnd,
): void {
  if (child.parent !== null) addWatcher(model, child.id, child.parent.id)
  if (!model.watchers.has(child.id)) return
  leaveMessage(model, tagOf(model, child.id), {
    kind: 'child_ended',
    namespace: child.namespace,
    child: child.id,
    end,
  })
}

/** A parent was stopped: children of it that still run, and are not detached, are to be cancelled. */
export function stopChildren(model: Model, x: ExecutionRecord): void {
  if (!isStopped(x) || childrenToStop(x).length === 0) return
  leaveMessage(model, partitionTagOf(x.id), {
    kind: 'parent_stopped',
    namespace: x.namespace,
    parent: { id: x.id, detached: false },
    generation: x.generation,
  })
}

export function isStopped(x: ExecutionRecord): boolean {
  return isTerminal(x) && !['success', 'failed'].includes(recordedOutcomeOf(x))
}

export function childrenToStop(x: ExecutionRecord) {
  return [...x.children.values()].filter(
    ({ linked, detached, end, stopped }) => linked && !detached && end === null && !stopped,
  )
}

export function addWatcher(model: Model, child: ChildId, watcher: ExecutionId): void {
  model.watchers.set(child, (model.watchers.get(child) ?? new Set()).add(watcher))
}

/** The end that stands, `null` while there is none. */
export function endOf(child: ExecutionRecord | FlowRecord): ChildEnd | null {
  const { id, generation } = child
  if (!('members' in child)) {
    return isTerminal(child) ? { id, generation, outcome: recordedOutcomeOf(child) } : null
  }
  if (!isTerminalFlow(child)) return null
  const outcome = child.state === 'completed' ? 'success' : child.state === 'failed' ? 'failed' : 'cancelled'
  return { id, generation, outcome }
}

export function tellOfOwnEnd(model: Model, child: ExecutionRecord | FlowRecord): void {
  tellOfEnd(model, child, must(endOf(child), `the end of ${child.id}`))
}

function tagOf(model: Model, id: ChildId): PartitionTag {
  return isExecutionId(id) ? partitionTagOf(id) : flowTagOf(model, { id })
}

type Unsent<Message> = Message extends MessageRecord ? Omit<Message, 'id'> : never

export function leaveMessage(model: Model, partition: PartitionTag, message: Unsent<MessageRecord>): void {
  const id = mintEntry(model, partition)
  model.messages.set(id, { ...message, id } as MessageRecord)
  hint(model, { type: 'outbox', partition })
}
