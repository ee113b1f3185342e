/** Quotas by key and by time, slots that handlers take themselves, and a budget that is raised whenever it is used up. */
import {
  amountOf,
  deriveUuid,
  type ExecutionId,
  makePartitionTag,
  parseBudgetId,
  parseQuotaId,
  partitionOfBudget,
} from '@flowfabric/core'
import { BudgetExceeded, defineTask, type } from '@flowfabric/sdk'
import { type Answered, type Ledger, nowMs } from '../ledger.js'
import { namespace } from '../names.js'
import type { Judgement, RoleFactory, Stage } from '../role.js'
import { lane, retry, wait } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    /** Is about to be reported, whatever its answer. */
    readonly usageAsked: Usage
    readonly usage: Answered & Usage
  }
}

interface Usage {
  readonly id: ExecutionId
  readonly key: string
  readonly tokens: number
}

const kind = 'spends'
const keys = ['one', 'other'] as const
const concurrency = 3
const tools = 2
const rate = { units: 40, windowMs: 1_000 }
const estimate = 10
const raisedBy = 30 * estimate

const budgetId = parseBudgetId(deriveUuid('chaos', 'wallet'))
const slotsId = parseQuotaId(deriveUuid('chaos', 'slots'))
const rateId = parseQuotaId(deriveUuid('chaos', 'rate'))
const toolsId = parseQuotaId(deriveUuid('chaos', 'tools'))

export const limits: RoleFactory = ({ ledger, result }) => {
  const spends = defineTask({
    kind,
    lane,
    retry,
    input: type<{ readonly shares: readonly number[]; readonly acquires: boolean }>(),
    output: type<string>(),
    async handler(context) {
      const { id } = context.execution
      const { shares, acquires } = context.input
      const slot = acquires ? await context.acquire(toolsId) : undefined
      for (const [place, tokens] of shares.entries()) {
        const usage = { id, key: `share ${place}`, tokens }
        ledger.note('usageAsked', usage)
        const beganAtMs = nowMs()
        await context.spend({ tokens }, { key: usage.key }).catch((error: unknown) => {
          // What was spent is charged all the same.
          if (!(error instanceof BudgetExceeded)) throw error
        })
        ledger.note('usage', { ...usage, beganAtMs, atMs: nowMs() })
        await wait(5, context.signal)
      }
      if (shares.length > 1) await slot?.release()
      return result(context)
    },
  })
  const watch = async ({ client }: Stage) => {
    for (const key of keys) {
      const { held } = await client.quotas.get(slotsId, key)
      if (held > concurrency) ledger.note('wrong', { text: `${held} slots of ${key} are held` })
    }
    const { held } = await client.quotas.get(toolsId)
    if (held > tools) ledger.note('wrong', { text: `${held} tools are held` })
    const { unitsInWindow } = await client.quotas.get(rateId)
    if (unitsInWindow > rate.units) ledger.note('wrong', { text: `${unitsInWindow} units are in a window` })
  }
  const held = async ({ client }: Pick<Stage, 'client'>): Promise<string | undefined> => {
    const counts = await Promise.all([
      ...keys.map(async (key) => (await client.quotas.get(slotsId, key)).held),
      client.quotas.get(toolsId).then((quota) => quota.held),
      client.budgets.get(budgetId).then(({ reserved }) => amountOf(reserved, 'tokens')),
    ])
    return counts.some((count) => count > 0) ? `slots and reservations ${counts.join(', ')}` : undefined
  }
  return {
    name: 'limits',
    weight: 10,
    tasks: [spends],
    async prepare({ client }) {
      await client.budgets.create({
        id: budgetId,
        label: 'wallet',
        limits: { tokens: { soft: null, hard: raisedBy } },
      })
      await client.quotas.create({ id: slotsId, label: 'slots', concurrency })
      await client.quotas.create({ id: rateId, label: 'rate', rate })
      await client.quotas.create({ id: toolsId, label: 'tools', concurrency: tools })
    },
    async act({ client, below }) {
      const beganAtMs = nowMs()
      // Less than the estimate, all of it, and more.
      const shares = [3, ...(below(2) === 0 ? [4 + below(12)] : [])]
      const handle = await client.submit(
        spends,
        { shares, acquires: below(3) === 0 },
        {
          budgets: [{ budgetId, estimate: { tokens: estimate } }],
          quotas: [
            { quotaId: slotsId, key: keys[below(keys.length)] },
            ...(below(2) === 0 ? [{ quotaId: rateId }] : []),
          ],
        },
      )
      ledger.note('execution', { id: handle.id, beganAtMs, atMs: nowMs() })
    },
    async attend(stage) {
      await watch(stage)
      const { waiting, limits: current } = await stage.client.budgets.get(budgetId)
      if (waiting === 0) return
      const hard = (current.tokens?.hard ?? 0) + raisedBy
      await stage.client.budgets.update(budgetId, { limits: { tokens: { soft: null, hard } } })
    },
    unfinished: held,
    async judge(judgement) {
      const left = await held(judgement)
      if (left !== undefined) judgement.wrong(`there are still ${left}`)
      await judgeSpending(judgement, ledger)
      const { partitions } = await judgement.backend.maintenance.describe()
      for (const family of ['budget', 'quota'] as const) {
        const role = family === 'budget' ? judgement.backend.budgets : judgement.backend.quotas
        for (let index = 0; index < partitions[family]; index += 1) {
          const { items } = await role.reconcile({ partition: makePartitionTag(family, index), max: 500 })
          for (const item of items) judgement.wrong(`to be reconciled: ${JSON.stringify(item)}`)
        }
      }
    },
  }
}

/** What was acknowledged is spent, once; what was asked and not answered may be, once. */
async function judgeSpending({ backend, wrong, lost }: Judgement, ledger: Ledger): Promise<void> {
  const nameOf = ({ id, key }: Usage) => `${id} ${key}`
  const may = new Map(ledger.all('usageAsked').map((usage) => [nameOf(usage), usage.tokens]))
  const must = new Map(ledger.all('usage').map((usage) => [nameOf(usage), usage]))
  const { used } = (await backend.budgets.get({ namespace, budgetId })).budget
  const spent = amountOf(used, 'tokens')
  const most = [...may.values()].reduce((sum, tokens) => sum + tokens, 0)
  if (spent > most) wrong(`${spent} tokens are spent of ${most} that were asked to be`)
  const least = [...must.values()].reduce((sum, { tokens }) => sum + tokens, 0)
  if (spent >= least) return
  const { partitions } = await backend.maintenance.describe()
  const partition = makePartitionTag('budget', partitionOfBudget(budgetId, partitions.budget))
  // Which ones are missing is told by nobody: those first that may be.
  let missing = least - spent
  const mayBe = (usage: Answered) => ledger.mayBeLostBy(partition, usage) !== undefined
  for (const usage of [...must.values()].sort((one, other) => Number(mayBe(other)) - Number(mayBe(one)))) {
    if (missing <= 0) return
    missing -= usage.tokens
    lost('reports of usage', partition, usage, `${spent} tokens are spent of ${least} that were acknowledged`)
  }
}
