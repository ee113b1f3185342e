import {
  type Client,
  createClient,
  createWorker,
  type ExecutionHandle,
  FlowNotCompletedError,
} from '@flowfabric/sdk'
import { describeSpending, openBudget } from './budget.js'
import { defineOrder, type OrderEnd } from './order.js'
import { createPost } from './post.js'
import type { Screen } from './screen.js'
import { watchOrder } from './watch-order.js'

export interface OrderOptions {
  /** A server, with credentials for everything that an order needs. */
  readonly connect: { readonly url: string; readonly token: string; readonly namespace?: string | undefined }
  /** Names the order: the same one again goes on with it. */
  readonly name: string
  readonly modelUrl: string
  readonly budgetId: string
  readonly dayMs: number
  readonly leaseTtlMs: number
  readonly screen: Screen
}

export interface StartedOrder {
  /** What waits for people. */
  readonly approval: ExecutionHandle
  /**
   * What somebody typed, such as `ann approve` or `bob reject too dear`: sent as that person, with a token of theirs and nothing
   * else, as their link would; or `cancel`.
   */
  answer(line: string): Promise<string>
  /** When it has ended and all was shown. */
  readonly ended: Promise<void>
  /** Leaves it to whoever starts it again, unless it has ended. */
  stop(): Promise<void>
}

/** Submits an order, or goes on with one, and works on it. */
export async function startOrder(options: OrderOptions): Promise<StartedOrder> {
  const { connect, name, screen, dayMs, leaseTtlMs, modelUrl } = options
  const say = (text: string) => screen.line(text)
  const client = createClient({ connect })
  const visitor = createClient({ connect: { url: connect.url } })
  const budget = await openBudget(client, options.budgetId, dayMs)
  const { flow, tasks } = defineOrder({ post: createPost(say), modelUrl, budgetId: budget.id, dayMs })
  const worker = createWorker({ connect, tasks, leaseTtlMs, workerId: 'orders' })
  await worker.start()

  const input = { item: 'a printing press', euros: 12_000 }
  const order = await client.submit(flow, input, { idempotencyKey: name })
  say(order.isDuplicate ? `Going on with ${name}, as ${order.id}.` : `${name}, as ${order.id}.`)
  const approval = await order.member('approve')
  const watching = new AbortController()
  const watch = async () => {
    await watchOrder([await order.member('assess'), approval], screen, watching.signal)
    if (watching.signal.aborted) return
    say(await order.result().then(({ end }) => describeEnd(end), describeOtherEnd))
    say(describeSpending(await client.budgets.get(budget.id)))
  }
  return {
    approval,
    answer: async (line) => {
      if (line.trim() !== 'cancel') return answer(approval, visitor, line)
      return `cancel (${(await order.cancel({ reason: 'typed' })).outcome})`
    },
    ended: watch(),
    async stop() {
      watching.abort()
      await worker.drain({ graceMs: 1_000 })
      for (const each of [client, visitor]) each.close()
    },
  }
}

async function answer(approval: ExecutionHandle, visitor: Client, line: string): Promise<string> {
  const [who = '', what, ...words] = line.trim().split(/\s+/)
  if (what !== 'approve' && what !== 'reject')
    return 'Type a name, approve or reject, and if you like why; or cancel'
  const point = await approval.waitpoint('approval')
  const bearer = { waitpointId: point.id, token: await point.tokenFor(who) }
  const payload = words.length === 0 ? undefined : { because: words.join(' ') }
  const { outcome } = await visitor.signalByToken(bearer, what, payload)
  return `${who}: ${what} (${outcome})`
}

function describeEnd(end: OrderEnd | undefined): string {
  if (end === undefined) return 'The order has come to nothing.'
  const { outcome, approvedBy, because } = end
  const by = approvedBy.length === 0 ? 'nobody' : approvedBy.join(' and ')
  return `The order is ${outcome}; approved by ${by}${because === undefined ? '' : `; ${because}`}.`
}

function describeOtherEnd(error: unknown): string {
  if (error instanceof FlowNotCompletedError && error.outcome === 'cancelled')
    return 'The order is cancelled.'
  throw error
}
