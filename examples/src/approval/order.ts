import type { BudgetId } from '@flowfabric/core'
import { allOf, defineFlow, defineTask, type HandlerContext, type OpenWaitpoint, type } from '@flowfabric/sdk'
import { defineAssessment, estimate } from './assess.js'
import type { Post } from './post.js'

export interface Order {
  readonly item: string
  readonly euros: number
}

export interface OrderEnd {
  readonly outcome: 'approved' | 'rejected' | 'expired'
  readonly approvedBy: readonly string[]
  readonly because?: string | undefined
}

export interface Surroundings {
  readonly post: Post
  readonly modelUrl: string
  /** What the model may cost. */
  readonly budgetId: BudgetId
  /** How long a day is: less in a demonstration. */
  readonly dayMs: number
}

const APPROVALS = 2
const DAYS = 3
const approvers = ['ann', 'bob', 'cleo'] as const
/** Is asked too, when the second day has passed. */
const superior = 'dora'

/** What an approved order leads to: a child, which could as well be another team's. */
const ship = defineTask({
  kind: 'ship',
  lane: 'orders',
  input: type<Order>(),
  handler: ({ input }) => `${input.item}, on its way`,
})

/**
 * An order that a model looks at, and that two different people then have to approve within three days. Between their answers
 * it costs nothing: the handler has ended, and its process may be stopped. What it does outside is in steps, so that going on
 * from its top repeats nothing.
 */
export function defineOrder({ post, modelUrl, budgetId, dayMs }: Surroundings) {
  const assess = defineAssessment(modelUrl)
  const approve = defineTask({
    kind: 'approve',
    lane: 'orders',
    input: type<Order>(),
    upstream: { opinion: assess },
    async handler(ctx): Promise<OrderEnd> {
      const { input, upstream, step, waitpoint, call, emit } = ctx
      const approval = await waitpoint('approval')
      const beganAtMs = await step('began', () => ctx.now())
      const letter = { order: input, opinion: upstream.opinion.result ?? 'none' }
      await step('invite', () => invite(post, approval, approvers, letter))
      const end = await decide(ctx, approval, (day) => beganAtMs + day * dayMs, {
        remind: () => post.remind(approvers),
        escalate: () => invite(post, approval, [superior], letter),
      })
      if (end.outcome === 'approved') {
        const shipped = await call('ship', ship, input)
        await step('told', () => emit(shipped, { type: 'shipped' }))
      }
      return end
    },
  })
  const flow = defineFlow('order', (f, order: Order) => {
    // The budget is the model's: people may take their days while it is spent.
    const opinion = f.node(assess, order, { name: 'assess', budgets: [{ budgetId, estimate }] })
    return { end: f.after(allOf({ opinion })).node(approve, order, { name: 'approve' }) }
  })
  return { flow, tasks: [assess, approve, ship] }
}

/** Everybody gets a link of their own: whose it is, is signed into its token. */
async function invite(
  post: Post,
  approval: OpenWaitpoint,
  people: readonly string[],
  { order: { item, euros }, opinion }: { readonly order: Order; readonly opinion: string },
): Promise<void> {
  const text = `Please approve ${item} for ${euros} €. The model says: ${opinion}`
  for (const person of people) {
    const token = await approval.tokenFor(person)
    post.invite({ to: person, text, url: approval.url, token })
  }
}

interface Reactions {
  readonly remind: () => void
  readonly escalate: () => Promise<void>
}

/** Waits day by day. What somebody answered counts on; the same person twice is one person. */
async function decide(
  { suspend, step, now, emit }: Pick<HandlerContext<Order>, 'suspend' | 'step' | 'now' | 'emit'>,
  approval: OpenWaitpoint,
  endOfDay: (day: number) => number,
  { remind, escalate }: Reactions,
): Promise<OrderEnd> {
  const approvedBy = new Set<string>()
  for (let round = 1, day = 1; ; round += 1) {
    const { by, signals } = await suspend(
      {
        anyOf: [
          {
            count: APPROVALS - approvedBy.size,
            of: 'sources',
            on: approval,
            match: { name: 'approve' },
          },
          { signal: approval, match: { name: 'reject' } },
        ],
      },
      {
        name: `round ${round}`,
        reason: 'approval',
        timeout: { afterMs: Math.max(0, endOfDay(day) - now()), behaviour: 'auto_resume' },
        resumePolicy: { closeWaitpoints: false },
        signals: { approve: type<unknown>(), reject: type<{ readonly because?: string } | undefined>() },
      },
    )
    for (const { name, payload, source } of signals) {
      if (name === 'reject') return end('rejected', approvedBy, payload?.because)
      if (source !== null) approvedBy.add(source)
    }
    if (approvedBy.size >= APPROVALS) return end('approved', approvedBy)
    if (by !== 'timeout') continue
    if (day === DAYS) return end('expired', approvedBy)
    await step(`day ${day} is over`, async () => {
      await emit(`Day ${day} is over, ${approvedBy.size} of ${APPROVALS} have approved`, { type: 'day' })
      if (day < DAYS - 1) remind()
      else await escalate()
    })
    day += 1
  }
}

function end(
  outcome: OrderEnd['outcome'],
  approvedBy: ReadonlySet<string>,
  because?: string | undefined,
): OrderEnd {
  return { outcome, approvedBy: [...approvedBy], ...(because !== undefined && { because }) }
}
