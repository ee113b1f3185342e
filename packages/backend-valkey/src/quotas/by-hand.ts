import {
  type AcquireQuota,
  type AcquireQuotaOutcome,
  type CheckedHandle,
  type FencingRefusal,
  isEngineError,
  must,
  type QuotaUse,
  quotaNotFound,
  type ReleaseQuota,
  type ReleaseQuotaOutcome,
} from '@flowfabric/core'
import { byTag, holderOf, nameOfQuota, tagOfResource } from '../admission/resource-names.js'
import { wakeAndForget } from '../admission/wake.js'
import type { ValkeyContext } from '../context.js'
import { quotaFields as Q } from '../generated/layouts.js'
import { readRefusal } from '../leases/refusal.js'
import { writeEach } from '../leases/write-each.js'
import { asList } from '../library/as-list.js'
import type { ItemArg } from '../library/invoke.js'
import { installQuota, readQuotaRow } from './copies.js'

/**
 * Slots that handlers take for themselves. First the attempt notes which quota it takes of, fenced, so that its end gives it back;
 * then the slot is taken, tentatively as any, so that one that comes after the end is found.
 */
export async function acquireSlots(
  ctx: ValkeyContext,
  params: AcquireQuota,
  handles: readonly CheckedHandle[],
): Promise<{ readonly items: readonly AcquireQuotaOutcome[] }> {
  const holding = await judge(ctx, params, handles, true)
  const answers: AcquireQuotaOutcome[] = []
  const held: number[] = []
  const namespaces = new Map<number, string>()
  for (const [index, outcome] of holding.entries()) {
    if (outcome.outcome !== 'held') answers[index] = outcome
    else {
      held.push(index)
      namespaces.set(index, outcome.namespace)
    }
  }
  const itemOf = (index: number) => must(params.items[index], 'an item')
  const groups = await byTag(held, (index) => tagOfUse(ctx, itemOf(index)))
  await Promise.all(
    [...groups].map(async ([tag, group]) => {
      let left = group
      for (let tries = 0; left.length > 0; tries += 1) {
        const { reply } = await ctx.invoke({
          name: 'quotas_acquire',
          tag,
          args: [
            left.map((index): ItemArg<'quotas_acquire', 0> => {
              const { quotaId, key = '', holderKey, cost = 1 } = itemOf(index)
              const namespace = namespaces.get(index) ?? ''
              return [quotaId, key, namespace, holderAt(handles, index), holderKey, cost]
            }),
          ],
        })
        const unknown: number[] = []
        for (const [place, index] of left.entries()) {
          const [word, retryMs] = must(reply[place], 'the answer of an item')
          const { quotaId, key = '' } = itemOf(index)
          if (word === 'unknown' && tries === 0 && (await installQuota(ctx, quotaId, key)))
            unknown.push(index)
          else answers[index] = toAcquired(word, retryMs, quotaId)
        }
        left = unknown
      }
    }),
  )
  return { items: answers }
}

function toAcquired(word: string, retryMs: number, quotaId: string): AcquireQuotaOutcome {
  switch (word) {
    case 'acquired':
    case 'already_acquired':
      return { outcome: word }
    case 'quota_exceeded':
      return { outcome: word, retryAtMs: retryMs === 0 ? null : retryMs }
    default:
      return { outcome: 'error', error: quotaNotFound(quotaId) }
  }
}

export async function releaseSlots(
  ctx: ValkeyContext,
  params: ReleaseQuota,
  handles: readonly CheckedHandle[],
): Promise<{ readonly items: readonly ReleaseQuotaOutcome[] }> {
  const holding = await judge(ctx, params, handles, false)
  const answers: ReleaseQuotaOutcome[] = []
  const held: number[] = []
  const itemOf = (index: number) => must(params.items[index], 'an item')
  for (const [index, outcome] of holding.entries()) {
    if (outcome.outcome !== 'held') answers[index] = outcome
    else if ((await ownerOf(ctx, itemOf(index).quotaId)) !== outcome.namespace)
      answers[index] = { outcome: 'error', error: quotaNotFound(itemOf(index).quotaId) }
    else held.push(index)
  }
  const groups = await byTag(held, (index) => tagOfUse(ctx, itemOf(index)))
  await Promise.all(
    [...groups].map(async ([tag, group]) => {
      const { reply } = await ctx.invoke({
        name: 'quotas_release',
        tag,
        args: [
          group.map((index): ItemArg<'quotas_release', 0> => {
            const { quotaId, key = '', holderKey } = itemOf(index)
            return [quotaId, key, holderAt(handles, index), holderKey]
          }),
        ],
      })
      group.forEach((index, place) => {
        answers[index] = { outcome: reply[place] === true ? 'released' : 'not_held' }
      })
      if (asList(reply).includes(true)) await wakeAndForget(ctx, tag)
    }),
  )
  return { items: answers }
}

async function ownerOf(ctx: ValkeyContext, id: string): Promise<string | undefined> {
  return (await readQuotaRow(ctx, id))?.[Q.ns]
}

type Holding =
  | { readonly outcome: 'held'; readonly namespace: string }
  | FencingRefusal
  | Extract<AcquireQuotaOutcome, { readonly outcome: 'error' }>

/** Of each item whether its handle may; with `takes` it is noted that it is about to take a slot. */
async function judge(
  ctx: ValkeyContext,
  { namespaces, items }: { readonly namespaces: readonly string[]; readonly items: readonly QuotaUse[] },
  handles: readonly CheckedHandle[],
  takes: boolean,
): Promise<readonly Holding[]> {
  return writeEach(ctx, handles, async (tag, placed): Promise<readonly Holding[]> => {
    const { reply } = await ctx.invoke({
      name: 'admission_use',
      tag,
      args: [
        [...namespaces],
        placed.map(({ handle, index }): ItemArg<'admission_use', 1> => {
          const { quotaId, key = '' } = must(items[index], 'an item')
          return [...handle, quotaId, key, takes]
        }),
      ],
    })
    return asList(reply).map((told): Holding => {
      if (told[0] === 'held') return { outcome: 'held', namespace: String(told[1]) }
      return readRefusal(told)
    })
  })
}

function holderAt(handles: readonly CheckedHandle[], index: number): string {
  const handle = must(handles[index], 'a handle')
  if (isEngineError(handle)) throw handle
  return holderOf(handle.executionId, handle.leaseId)
}

const tagOfUse = (ctx: ValkeyContext, { quotaId, key = '' }: QuotaUse) =>
  tagOfResource(ctx, nameOfQuota(quotaId, key))
