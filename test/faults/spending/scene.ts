import {
  type Budget,
  type BudgetId,
  defaultLane,
  defaultNamespace,
  type ExecutionId,
  type FoundationBackend,
  mintSoloExecutionId,
  must,
  parseKind,
  type QuotaId,
} from '@flowfabric/core'
import { createEmbedded } from '@flowfabric/embedded'
import { type Client, createClient } from '@flowfabric/sdk'
import { onTestFinished } from 'vitest'
import { createStorePlace } from '../../support/store-place.js'
import { startVictim, type Victim } from '../victims.js'

export const namespace = defaultNamespace
const lane = defaultLane
export const partitions = { flow: 8, budget: 2, quota: 2 }

/** What an execution of each kind spends after the first three tokens; it estimates ten. */
const secondShares = { frugal: 4, lavish: 10 }
export type SpenderKind = keyof typeof secondShares
export const spenderKinds = Object.keys(secondShares) as readonly SpenderKind[]
export const estimate = 10
export const spentBy = (kind: SpenderKind): number => 3 + secondShares[kind]

/** Each kind has a key of its own. */
export const slots = 8
/** Of the frugal. */
export const rate = { units: 60, windowMs: 5_000 }

/** A store with budgets and quotas, and processes with an engine and a worker each, that are to be killed. */
export interface SpendingScene {
  readonly client: Client
  readonly backend: FoundationBackend
  readonly victims: readonly Victim[]
  readonly slotsId: QuotaId
  readonly rateId: QuotaId
  readonly budgetIds: Readonly<Record<SpenderKind, BudgetId>>
  /** What was accepted. */
  readonly accepted: Readonly<Record<SpenderKind, readonly ExecutionId[]>>
  submit(kind: SpenderKind, count: number): Promise<void>
  readBudget(kind: SpenderKind): Promise<Budget>
  /** Tokens; `null` for as many as there may be. */
  limitTo(kind: SpenderKind, hard: number | null): Promise<void>
}

export async function openSpendingScene(): Promise<SpendingScene> {
  const place = await createStorePlace()
  onTestFinished(() => place.remove())
  // Never started: it only submits and looks.
  const { backend, stop, explain } = await createEmbedded({ ...place.embedded, partitions, scanners: false })
  onTestFinished(() => stop())
  const client = createClient({ connect: { backend, explain } })
  onTestFinished(() => client.close())
  const tokens = (hard: number | null) => ({ tokens: { soft: null, hard } })
  const newBudget = async (label: SpenderKind) =>
    (await client.budgets.create({ label, limits: tokens(10 * estimate) })).id
  const budgetIds = { frugal: await newBudget('frugal'), lavish: await newBudget('lavish') }
  const slotsId = (await client.quotas.create({ label: 'slots', concurrency: slots })).id
  const rateId = (await client.quotas.create({ label: 'rate', rate })).id
  const victims = [0, 1, 2].map((index) =>
    startVictim(`spender ${index}`, ['test/faults/programs/spending-worker.mjs'], {
      FF_PLACE: JSON.stringify(place.embedded),
      FF_SECOND_SHARES: JSON.stringify(secondShares),
    }),
  )
  onTestFinished(async () => {
    await Promise.all(victims.map((victim) => victim.end()))
  })
  const accepted: Record<SpenderKind, ExecutionId[]> = { frugal: [], lavish: [] }
  return {
    client,
    backend,
    victims,
    slotsId,
    rateId,
    budgetIds,
    accepted,
    async submit(kind, count) {
      const items = Array.from({ length: count }, () => ({
        id: mintSoloExecutionId({ namespace, lane, shards: 1, count: partitions.flow }),
        kind: parseKind(kind),
        lane,
        input: null,
        budgets: [{ budgetId: budgetIds[kind], estimate: { tokens: estimate } }],
        quotas: [{ quotaId: slotsId, key: kind }, ...(kind === 'frugal' ? [{ quotaId: rateId }] : [])],
      }))
      const answer = await backend.executions.submit({ namespace, items })
      for (const [place, { outcome }] of answer.items.entries())
        if (outcome === 'accepted') accepted[kind].push(must(items[place], 'an item').id)
    },
    readBudget: (kind) => client.budgets.get(budgetIds[kind]),
    async limitTo(kind, hard) {
      await client.budgets.update(budgetIds[kind], { limits: tokens(hard) })
    },
  }
}
