import { defineTask, type HandlerContext, type OpenWaitpoint, type } from '@flowfabric/sdk'
import { assess } from './assess.js'
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
  /** How long a day is: less in a demonstration. */
  readonly dayMs: number
}

const APPROVALS = 2
const DAYS = 3
const approvers = ['ann', 'bob', 'cleo'] as const
/** Is asked too, when the second day has passed. */
const superior = 'dora'

type OrderContext = HandlerContext<Order>

/** What an approved order leads to: a child, which could as well be another team's. */
export const ship = defineTask({
  kind: 'ship',
  lane: 'orders',
  input: type<Order>(),
  handler: ({ input }) => `${input.item}, on its way`,
})

/**
 * An order that two different people have to approve within three days. Between their answers it costs nothing: the handler
 * has ended, and its process may be stopped. What it does outside is in steps, so that going on from its top repeats nothing.
 */
export function defineOrder({ post, modelUrl, dayMs }: Surroundings) {
  return defineTask({
    kind: 'order',
    lane: 'orders',
    input: type<Order>(),
    async handler(ctx): Promise<OrderEnd> {
      const { input, step, waitpoint, call, emit } = ctx
      await step('assess', () => assess(ctx, modelUrl, input))
      const approval = await waitpoint('approval')
      const beganAtMs = await step('began', () => ctx.now())
      await step('invite', () => invite(post, approval, approvers, input))
      const end = await decide(ctx, approval, (day) => beganAtMs + day * dayMs, {
        remind: () => post.remind(approvers),
        escalate: () => invite(post, approval, [superior], input),
      })
      if (end.outcome === 'approved') {
        const shipped = await call('ship', ship, input)
        await step('told', () => emit(shipped, { type: 'shipped' }))
      }
      return end
    },
  })
}

/** Everybody gets a link of their own: whose it is, is signed into its token. */
async function invite(
  post: Post,
  approval: OpenWaitpoint,
  people: readonly string[],
  { item, euros }: Order,
): Promise<void> {
  for (const person of people) {
    const token = await approval.tokenFor(person)
    post.invite({ to: person, text: `Please approve ${item} for ${euros} €`, url: approval.url, token })
  }
}

interface Reactions {
  readonly remind: () => void
  readonly escalate: () => Promise<void>
}

/** Waits day by day. What somebody answered counts on; the same person twice is one person. */
async function decide(
  { suspend, step, now, emit }: OrderContext,
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
