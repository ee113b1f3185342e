import type { ValkeyContext } from '../context.js'
import type { ItemArg } from '../library/invoke.js'
import {
  byTag,
  nameOfBudget,
  nameOfQuota,
  type ResourceName,
  tagOfResource,
  waiterOf,
} from './resource-names.js'

/** A line that is parked, by what refused its head. */
export type ParkedLine = readonly [line: string, letter: string, id: string, key: string, token: string]

/**
 * Parked lines of a flow partition wait to be woken by what refused them, which is in another partition. Where nothing is
 * known of them there, such as after a fail-over that has taken that along, nobody would: they are judged again.
 */
export async function wakeForgotten(
  ctx: ValkeyContext,
  partition: number,
  parked: readonly ParkedLine[],
): Promise<void> {
  const tag = `fp:${partition}`
  const waiters = parked.map(([line, letter, id, key, token]) => ({
    line,
    name: letter === 'q' ? nameOfQuota(id, key) : nameOfBudget(id),
    token,
  }))
  const groups = await byTag(waiters, ({ name }: { readonly name: ResourceName }) => tagOfResource(ctx, name))
  const forgotten = await Promise.all(
    [...groups].map(async ([of, group]) => {
      const items = group.map(
        ({ line, name, token }): ItemArg<'admission_waiting', 0> => [name, waiterOf(tag, line), token],
      )
      const { reply } = await ctx.invoke({ name: 'admission_waiting', tag: of, args: [items] })
      return group.filter((_, place) => !reply[place])
    }),
  )
  const lines = forgotten.flat().map(({ line }) => line)
  if (lines.length > 0) await ctx.invoke({ name: 'admission_wake', tag, args: [lines] })
}
