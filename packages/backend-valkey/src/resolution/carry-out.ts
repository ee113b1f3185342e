import { type DispatchItem, type FlowId, makeEntryId, must } from '@flowfabric/core'
import { carryCancel, carryGiveBacks } from '../admission/messages.js'
import type { ValkeyContext } from '../context.js'
import { MEMBERS_PER_STEP } from '../flows/finish.js'
import { isOneItems } from './faults.js'
import type { NamedEntry } from './hop.js'
import { carryMessage } from './messages.js'
import { settleFlow } from './settle.js'

/** The next step of an entry of another kind than an end. Each step looks again at what is there. */
export async function carryOut(
  ctx: ValkeyContext,
  partition: number,
  named: NamedEntry,
): Promise<DispatchItem> {
  const { kind, id, flowId: flow } = named
  const flowId = flow as FlowId
  const tag = `fp:${partition}`
  switch (kind) {
    case 'settlement': {
      const flowState = await settleFlow(ctx, flowId, id)
      if (flowState === undefined) return { outcome: 'noop', entryId: makeEntryId(partition, id) }
      return { outcome: 'settled', flowId, flowState }
    }
    case 'message':
      return carryMessage(ctx, partition, id)
    case 'give_back':
      return must((await carryGiveBacks(ctx, partition, [named]))[0], 'its answer')
    case 'cancel_holder':
      return carryCancel(ctx, partition, id)
    case 'release': {
      const { reply } = await ctx.invoke({ name: 'resolution_release', tag, args: [id, MEMBERS_PER_STEP] })
      return { outcome: 'released', flowId, members: reply }
    }
    case 'replay': {
      const { reply } = await ctx.invoke({
        name: 'flows_replay_next',
        tag,
        args: [flow, MEMBERS_PER_STEP, id],
      })
      return { outcome: 'reset', flowId, members: reply[1] }
    }
  }
}

/** Entries one after the other, but for what is given back: that goes together, and hinders nothing. */
export async function carryOutEach(
  ctx: ValkeyContext,
  partition: number,
  named: readonly NamedEntry[],
): Promise<readonly DispatchItem[]> {
  const isGivenBack = ({ kind }: NamedEntry) => kind === 'give_back'
  const givenBack = carryOutTogether(ctx, partition, named.filter(isGivenBack))
  // It may fail before anybody waits for it, which must not end the process.
  givenBack.catch(() => {})
  const items: DispatchItem[] = []
  try {
    for (const each of named) if (!isGivenBack(each)) items.push(await carryOutGuarded(ctx, partition, each))
  } finally {
    await Promise.allSettled([givenBack])
  }
  return [...items, ...(await givenBack)]
}

/** What is wrong with one of them is found by trying each alone. */
async function carryOutTogether(
  ctx: ValkeyContext,
  partition: number,
  named: readonly NamedEntry[],
): Promise<readonly DispatchItem[]> {
  try {
    return await carryGiveBacks(ctx, partition, named)
  } catch (fault) {
    if (!isOneItems(fault)) throw fault
    return Promise.all(named.map((each) => carryOutGuarded(ctx, partition, each)))
  }
}

/** One entry that can't be carried out leaves the others of its pass unharmed. */
export async function carryOutGuarded(
  ctx: ValkeyContext,
  partition: number,
  named: NamedEntry,
): Promise<DispatchItem> {
  try {
    return await carryOut(ctx, partition, named)
  } catch (fault) {
    return putOff(ctx, partition, named.id, fault)
  }
}

/** What became of an entry that could not be carried out: it stays, and is taken again later. */
export async function putOff(
  ctx: ValkeyContext,
  partition: number,
  id: string,
  fault: unknown,
): Promise<DispatchItem> {
  if (!isOneItems(fault)) throw fault
  const entryId = makeEntryId(partition, id)
  const failures = await postpone(ctx, partition, id)
  if (fault.kind === 'contention') return { outcome: 'retry_exhausted', entryId, failures }
  return { outcome: 'error', entryId, code: fault.code, message: fault.message }
}

/** Puts an entry off, longer each time, up to a minute. Answers how often that has happened. */
export async function postpone(ctx: ValkeyContext, partition: number, id: string): Promise<number> {
  const { reply } = await ctx.invoke({ name: 'resolution_postpone', tag: `fp:${partition}`, args: [id] })
  return reply
}

/** Entries of one call at most, whatever a scanner asks for. */
export const ENTRIES_PER_HOP = 256
