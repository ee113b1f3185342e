import { isEngineError, makePartitionTag } from '@flowfabric/core'
import { settleAdmission } from '../support/drive.js'
import { quotaKeys } from './operations/demands.js'
import { askAll, requireAlike, type Settling, settleAll } from './run.js'
import type { World } from './world.js'

/** As long as a store may take to look again at those who wait, where some were woken and there is room for others. */
const sweepMs = 1_000

/** Looks after what is held and who waits, between the steps of a run. */
export interface AdmissionWatch {
  /** Once a step has changed what is held or who waits: settles that on all, and compares it. */
  look(): Promise<void>
}

/**
 * What a lease held is given back in the step that ends it on some stores, and by a message on others; and who waits is woken
 * in the background. So whenever the model's books have changed, messages are carried and whoever has room is woken before
 * anybody looks.
 *
 * Several that have room each for itself, but not together, are all woken in the end, since nobody knows that the first of
 * them will ever be claimed: at once, or by one sweep after the other. Where the model took several turns, so much time passes
 * for all.
 */
export function watchAdmission(world: World, settling: Settling): AdmissionWatch {
  let before = booksOf(world)
  return {
    async look() {
      if (world.model.store.quotas.size + world.model.store.budgets.size === 0) return
      if (booksOf(world) === before && !(await isPending(world, settling))) return
      let left = await settleOnce(world, settling)
      while (left > 0) {
        await askAll(world, ({ maintenance }) => maintenance.advanceTime({ byMs: sweepMs }))
        left = Math.max(left - 1, await settleOnce(world, settling))
      }
      before = booksOf(world)
      await compareAdmission(world)
    },
  }
}

/** Answers how many turns more than one the model took to wake all. */
async function settleOnce(world: World, settling: Settling): Promise<number> {
  const isEach = settling === 'each_step'
  await settleAll(
    world,
    isEach ? ['projection'] : ['timers', 'sibling_cancels', 'cancel_backlog', 'projection'],
  )
  const counts = world.model.store.partitions
  const turns = await askAll(world, (backend) => settleAdmission(backend, counts, { resets: isEach }))
  return Math.max(0, (turns.get('model') ?? 0) - 1)
}

async function isPending({ model }: World, settling: Settling): Promise<boolean> {
  const { quota, budget } = model.store.partitions
  const partitions = [
    ...Array.from({ length: quota }, (_, index) => makePartitionTag('quota', index)),
    ...Array.from({ length: budget }, (_, index) => makePartitionTag('budget', index)),
  ]
  const { partitions: pulses } = await model.maintenance.pulse({ partitions })
  return pulses.some(
    ({ pending }) =>
      pending.includes('parked') || (settling === 'each_step' && pending.includes('budget_resets')),
  )
}

/** What the model has noted of quotas, budgets and those that wait for them. */
function booksOf({ model: { store } }: World): string {
  return JSON.stringify([
    [...store.quotas.values()].map(({ id, settings, keys }) => [
      id,
      settings,
      [...keys].map(([key, { steps, holders }]) => [key, [...steps], [...holders.keys()]]),
    ]),
    [...store.budgets.values()].map(({ id, settings, used, period, reservations }) => [
      id,
      settings,
      used,
      period,
      [...reservations],
    ]),
    [...store.executions.values()].flatMap(({ id, refused }) => (refused === null ? [] : [[id, refused.by]])),
  ])
}

export async function compareAdmission(world: World): Promise<void> {
  const { namespace, quotas, budgets } = world
  const seen = await askAll(world, async (backend) => ({
    quotas: await Promise.all(
      quotas.flatMap((quotaId) =>
        quotaKeys.map((key) => orCode(backend.quotas.get({ namespace, quotaId, key }))),
      ),
    ),
    budgets: await Promise.all(
      budgets.map((budgetId) => orCode(backend.budgets.get({ namespace, budgetId }))),
    ),
  }))
  requireAlike('quotas and budgets', seen)
}

async function orCode<Answer>(answer: Promise<Answer>): Promise<Answer | { readonly refused: string }> {
  try {
    return await answer
  } catch (error) {
    if (isEngineError(error) && error.kind === 'not_found') return { refused: error.code }
    throw error
  }
}
