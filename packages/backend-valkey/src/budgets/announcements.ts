import {
  type BudgetId,
  breachJobId,
  type FlowId,
  type HardBreachRule,
  type Namespace,
  partitionOfFlow,
} from '@flowfabric/core'
import { byTag } from '../admission/resource-names.js'
import type { ValkeyContext } from '../context.js'
import type { JobMaker } from '../operations/index.js'

interface Announcement {
  readonly number: number
  readonly budgetId: BudgetId
  readonly change: string
  readonly period: number
  /** Of a hard breach: what a job is to carry out. */
  readonly rule: Exclude<HardBreachRule, 'block_new'> | ''
  readonly namespace: Namespace
}

/**
 * What became of budgets is written down with the change, `number|budget|change|period|rule|namespace`, and then carried to the
 * partition whose feed tells it, and to that of the job that a breach asks for: by whoever made the change, or if that dies, by
 * `wakeParked`. What was told is not told again, and a job is made once, since its id follows from the number.
 */
export async function carryAnnouncements(
  ctx: ValkeyContext,
  jobs: JobMaker,
  tag: string,
  texts: readonly string[],
): Promise<void> {
  if (texts.length === 0) return
  const announcements = texts.map(read)
  await Promise.all([tellFeed(ctx, announcements), makeJobs(jobs, announcements)])
  await ctx.invoke({ name: 'admission_done', tag, args: ['announcements', [...texts]] })
}

async function tellFeed(ctx: ValkeyContext, announcements: readonly Announcement[]): Promise<void> {
  const { flow } = await ctx.partitions()
  const groups = await byTag(
    announcements,
    ({ budgetId }) => `fp:${partitionOfFlow(budgetId as string as FlowId, flow)}`,
  )
  await Promise.all(
    [...groups].map(([tag, group]) => ctx.invoke({ name: 'admission_tell', tag, args: [toTold(group)] })),
  )
}

function toTold(announcements: readonly Announcement[]): [number, string, string, number, string][] {
  return announcements
    .map(({ number, budgetId, change, period, namespace }): [number, string, string, number, string] => [
      number,
      budgetId,
      change,
      period,
      namespace,
    ])
    .sort(([one], [other]) => one - other)
}

async function makeJobs(jobs: JobMaker, announcements: readonly Announcement[]): Promise<void> {
  await Promise.all(
    announcements.map(async ({ number, budgetId, rule, namespace }) => {
      if (rule === '') return
      const work = { kind: 'budget_breach', budgetId, rule } as const
      await jobs.create({ namespace, operationId: breachJobId(budgetId, number), work })
    }),
  )
}

function read(text: string): Announcement {
  const [number, budgetId = '', change = '', period, rule = '', ...namespace] = text.split('|')
  return {
    number: Number(number),
    budgetId: budgetId as BudgetId,
    change,
    period: Number(period),
    rule: rule as Announcement['rule'],
    namespace: namespace.join('|') as Namespace,
  }
}
