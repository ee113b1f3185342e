import {
  type ChildEnd,
  conditionHolds,
  type DispatchItem,
  type ExecutionId,
  engineError,
  evidenceOf,
  type FamilyMessage,
  type FlowId,
  isEngineError,
  isExecutionId,
  judgeChildEnd,
  limits,
  makeEntryId,
  must,
  type Namespace,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { cancelFlow } from '../flows/cancel.js'
import { placeOf } from '../flows/flow-place.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { asList } from '../library/as-list.js'
import { childEndLetters } from '../records/letters.js'
import { packEnd } from '../suspensions/child-ends.js'
import { tagOf } from '../suspensions/ids.js'
import { packJson, readCondition, readState } from '../suspensions/stored-suspension.js'

/**
 * Messages between parents and children: carried to as many receivers as one pass reaches, each in a step of its own
 * partition, then noted where they came from. Carrying one twice does no harm.
 */

const kinds: Readonly<Record<string, FamilyMessage>> = {
  l: 'child_linked',
  v: 'child_watched',
  e: 'child_ended',
  t: 'parent_stopped',
}

export async function carryMessage(
  ctx: ValkeyContext,
  partition: number,
  entry: string,
): Promise<DispatchItem> {
  const entryId = makeEntryId(partition, entry)
  const tag = `fp:${partition}`
  const { reply } = await ctx.invoke({
    name: 'suspensions_message',
    tag,
    args: [entry, limits.familyBatchMax],
  })
  const [letter, what] = reply
  const receivers = [...asList(reply[2])]
  const message = kinds[letter]
  if (message === undefined) return { outcome: 'noop', entryId }
  await carry(ctx, message, what, receivers)
  const { reply: more } = await ctx.invoke({ name: 'suspensions_delivered', tag, args: [entry, receivers] })
  return { outcome: 'delivered', entryId, message, more }
}

type ChildId = ChildEnd['id']

async function carry(
  ctx: ValkeyContext,
  message: FamilyMessage,
  what: readonly unknown[],
  receivers: readonly string[],
): Promise<void> {
  const namespace = what[0] as Namespace
  switch (message) {
    case 'child_linked': {
      const [, child, parent, how] = what as readonly [Namespace, ChildId, ExecutionId, string]
      await ctx.invoke({
        name: 'suspensions_link',
        tag: tagOf(parent),
        args: [namespace, uuidOf(parent), child, how === 'd'],
      })
      return
    }
    case 'child_watched': {
      const [, child, watcher] = what as readonly [Namespace, ChildId, ExecutionId]
      const { reply: isKnown } = await ctx.invoke({
        name: 'suspensions_watch',
        tag: await tagOfChild(ctx, child),
        args: [namespace, child, watcher],
      })
      if (!isKnown) await tell(ctx, namespace, watcher, { id: child, generation: 0, outcome: 'not_found' })
      return
    }
    case 'child_ended': {
      const [, id, generation, letter] = what as readonly [Namespace, ChildId, number, string]
      const end = { id, generation, outcome: childEndLetters.read(letter) }
      await Promise.all(receivers.map((watcher) => tell(ctx, namespace, watcher as ExecutionId, end)))
      return
    }
    case 'parent_stopped':
      await Promise.all(receivers.map((child) => stop(ctx, namespace, child as ChildId)))
  }
}

async function tagOfChild(ctx: ValkeyContext, child: ChildId): Promise<string> {
  return isExecutionId(child) ? tagOf(child) : (await placeOf(ctx, child as FlowId)).tag
}

type Verdict = LibraryFunctions['suspensions_hear']['args'][5]

/** Tells an execution of a child's end; where it waits for it, its condition is judged here first. */
async function tell(
  ctx: ValkeyContext,
  namespace: Namespace,
  watcher: ExecutionId,
  end: ChildEnd,
): Promise<void> {
  let verdict: Verdict = [0, '', false, [], []]
  for (let tries = 1; tries <= limits.signalTriesMax; tries += 1) {
    const { reply, bytes } = await ctx.invoke({
      name: 'suspensions_hear',
      tag: tagOf(watcher),
      args: [namespace, uuidOf(watcher), end.id, end.generation, childEndLetters.write(end.outcome), verdict],
    })
    if (reply[0] !== 'judge') return
    const condition = readCondition(must(bytes[0], 'a condition'))
    const { state } = judgeChildEnd(condition, readState(must(bytes[1], 'its state')), end)
    const { signals, children } = evidenceOf(condition, state)
    verdict = [
      Number(reply[1]),
      packJson(state),
      conditionHolds(condition, state),
      [...signals],
      children.map(packEnd),
    ]
  }
  throw engineError('contention', `The suspension of ${watcher} changed whenever it was looked at`)
}

/** A child whose parent was stopped. One that has ended, or is gone, is left alone. */
async function stop(ctx: ValkeyContext, namespace: Namespace, child: ChildId): Promise<void> {
  if (isExecutionId(child)) {
    await ctx.invoke({
      name: 'suspensions_stop',
      tag: `fp:${partitionIndexOf(child)}`,
      args: [namespace, uuidOf(child)],
    })
    return
  }
  await cancelFlow(ctx, { namespace, flowId: child as FlowId, policy: 'cancel_all' }).catch((fault) => {
    if (!isEngineError(fault, 'flow_not_found')) throw fault
  })
}
