import { z } from 'zod'
import {
  type Amounts,
  type BudgetDemand,
  type BudgetLimit,
  type BudgetSettings,
  hardBreachRules,
} from '../contract/budgets.js'
import { type ParkedBy, type QuotaDemand, type QuotaSettings, quotaStrategies } from '../contract/quotas.js'
import type { BudgetFacts, QuotaFacts } from '../decisions/room.js'
import { limits } from '../limits.js'
import { budgetId, quotaId, timeMs, whole } from './scalars.js'

/** What executions name, as a caller states it and as records show it. */

export const amountsSchema: z.ZodType<Amounts> = z
  .record(z.string(), z.number())
  .describe('Whole numbers by dimension, such as `tokens`.')

export const quotaKey = z.string().describe('Counted for itself; by default the empty one.')

export const budgetDemandsField = z
  .array(z.strictObject({ budgetId, estimate: amountsSchema.optional() }))
  .optional()
  .describe('Budgets, with what is reserved of each while it runs.')

export const quotaDemandsField = z
  .array(
    z.strictObject({
      quotaId,
      key: quotaKey.optional(),
      cost: whole(0, limits.quotaUnitsMax, 'Rate units, default 1.').optional(),
    }),
  )
  .optional()
  .describe('Quotas in which it needs room to start.')

export const budgetDemandSchema: z.ZodType<BudgetDemand> = z.object({ budgetId, estimate: amountsSchema })
export const quotaDemandSchema: z.ZodType<QuotaDemand> = z.object({
  quotaId,
  key: z.string(),
  cost: z.number(),
})

const limitFields = { soft: z.number().nullable(), hard: z.number().nullable() } as const
const limitSchema: z.ZodType<BudgetLimit> = z.object(limitFields)

export const budgetSettingsFields = {
  label: z.string(),
  limits: z.record(z.string(), limitSchema).describe('By dimension; null is no limit.'),
  onHardBreach: z.enum(hardBreachRules).describe('Each includes the ones before it.'),
  resetPeriodMs: z.number().nullable().describe('Null: what is spent is never reset by time.'),
} as const satisfies Record<keyof BudgetSettings, z.ZodType>

/** As a caller states them: what is unknown is refused. */
export const statedBudgetFields = {
  ...budgetSettingsFields,
  limits: z.record(z.string(), z.strictObject(limitFields)).describe('By dimension; null is no limit.'),
} as const satisfies Record<keyof BudgetSettings, z.ZodType>

const rateFields = {
  units: whole(1, limits.quotaUnitsMax, 'In any stretch of time of this length.'),
  windowMs: whole(1, limits.durationMsMax),
} as const
const rateSchema = z.object(rateFields)

export const quotaSettingsFields = {
  label: z.string(),
  rate: rateSchema.nullable(),
  concurrency: z.number().nullable().describe('Slots; null is no limit.'),
  strategy: z.enum(quotaStrategies).describe('What happens at admission when it is full.'),
} as const satisfies Record<keyof QuotaSettings, z.ZodType>

/** As a caller states them: what is unknown is refused. */
export const statedQuotaFields = {
  ...quotaSettingsFields,
  rate: z.strictObject(rateFields).nullable(),
} as const satisfies Record<keyof QuotaSettings, z.ZodType>

const quotaFactsSchema: z.ZodType<QuotaFacts> = z.object({
  quotaId,
  key: z.string(),
  cost: z.number(),
  rate: rateSchema.nullable(),
  concurrency: z.number().nullable(),
  strategy: z.enum(quotaStrategies),
  held: z.number(),
  unitsInWindow: z.number(),
  retryAtMs: timeMs.nullable(),
})

const budgetFactsSchema: z.ZodType<BudgetFacts> = z.object({
  budgetId,
  estimate: amountsSchema,
  limits: z.record(z.string(), limitSchema),
  used: amountsSchema,
  reserved: amountsSchema,
  nextResetAtMs: timeMs.nullable(),
})

export const parkedBySchema: z.ZodType<ParkedBy> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('quota'), quotaId, key: z.string() }),
  z.object({ kind: z.literal('budget'), budgetId }),
])

/** As `explainFacts` answers them, but for the head of the admission key. */
export const demandFactsFields = {
  quotas: z.array(quotaFactsSchema),
  budgets: z.array(budgetFactsSchema),
} as const
