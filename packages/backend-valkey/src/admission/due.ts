import { isEngineError } from '@flowfabric/core'
import { carryAnnouncements } from '../budgets/announcements.js'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import type { JobMaker } from '../operations/index.js'
import { readQuotaRow, syncQuota } from '../quotas/copies.js'
import { byTag, readHolder } from './resource-names.js'

/** A holder of something, by the names that its partition has for both. */
export type HolderOf = readonly [name: string, holder: string]

/**
 * Finishes what a crash left half-way in a partition of the quota or the budget family: tentative holders are looked at, holders that
 * were to go are cancelled, changed settings are brought to all partitions, and what follows from changes of budgets is carried on. Answers when somebody is to be woken.
 */
export async function carryDue(
  ctx: ValkeyContext,
  jobs: JobMaker,
  tag: string,
  max: number,
): Promise<number> {
  const { reply } = await ctx.invoke({ name: 'admission_due', tag, args: [max] })
  const [tentative, toCancel, toSync, announcements, wakeMs] = reply
  await settleHolders(ctx, tag, asList(tentative))
  for (const [name, holder, namespace] of asList(toCancel)) {
    await cancelHolder(ctx, namespace, holder)
    await ctx.invoke({ name: 'admission_done', tag, args: ['to_cancel', [`${name}\0${holder}`]] })
  }
  for (const id of asList(toSync)) {
    const row = await readQuotaRow(ctx, id)
    if (row !== undefined) await syncQuota(ctx, id, row)
  }
  await carryAnnouncements(ctx, jobs, tag, asList(announcements))
  return wakeMs
}

/** Looks at the executions that they name: those that don't run give back what they hold. Answers these. */
export async function settleHolders(
  ctx: ValkeyContext,
  tag: string,
  holders: readonly HolderOf[],
): Promise<readonly HolderOf[]> {
  if (holders.length === 0) return []
  const runs = new Map<string, boolean>()
  const { flow } = await ctx.partitions()
  // What is left of a bundle that is gone names nobody.
  const named = holders.filter(([, holder]) => !holder.startsWith('+'))
  const groups = await byTag(named, ([, holder]) => readHolder(holder).tag)
  await Promise.all(
    [...groups].map(async ([of, group]) => {
      if (Number(of.slice('fp:'.length)) >= flow) return
      // One that cannot be read is left as it is.
      const answer = await ctx
        .invoke({
          name: 'admission_look',
          tag: of,
          args: [
            group.map(([, holder]): [string, string] => {
              const { uuid, lease } = readHolder(holder)
              return [uuid, lease]
            }),
          ],
        })
        .catch((fault) => {
          if (!isEngineError(fault, 'corruption')) throw fault
          return undefined
        })
      group.forEach(([name, holder], place) => {
        runs.set(`${name}\0${holder}`, answer === undefined || answer.reply[place] === true)
      })
    }),
  )
  const { reply } = await ctx.invoke({
    name: 'admission_settle',
    tag,
    args: [
      holders.map(([name, holder]): [string, string, boolean] => [
        name,
        holder,
        runs.get(`${name}\0${holder}`) ?? false,
      ]),
    ],
  })
  return holders.filter((_, place) => reply[place] === true)
}

/** A holder that is to make room for another. It may have ended since. */
export async function cancelHolder(ctx: ValkeyContext, namespace: string, holder: string): Promise<void> {
  const { tag, uuid, lease } = readHolder(holder)
  await ctx.invoke({
    name: 'admission_cancel',
    tag,
    args: [namespace, uuid, lease],
  })
}
