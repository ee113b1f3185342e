import { z } from 'zod'
import {
  type Budget,
  breachLevels,
  type CreateBudget,
  type CreateBudgetOutcome,
  type GetBudget,
  type ListBudgets,
  type ReportUsage,
  type ReportUsageOutcome,
  type ResetBudget,
  type UpdateBudget,
} from '../contract/budgets.js'
import type { Page } from '../contract/conventions.js'
import { deriveUuid } from '../ids/derive-uuid.js'
import { type BudgetId, mintBudgetId, parseBudgetId } from '../ids/index.js'
import { amountsSchema, budgetSettingsFields, statedBudgetFields } from './demands.js'
import { pageQuery, reasonField } from './executions.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply, readWire } from './read.js'
import { pageOf } from './records.js'
import { budgetId, handle, timeMs } from './scalars.js'
import { workerBatch } from './worker-batch.js'

const tag = 'budgets'
const budgetPath = z.strictObject({ budgetId })

function readBudgetPath(call: WireCall): GetBudget {
  return { namespace: call.namespace, budgetId: readWire(budgetPath, call.path).budgetId }
}

const budgetSchema: z.ZodType<Budget> = z.object({
  id: budgetId,
  ...budgetSettingsFields,
  createdAtMs: timeMs,
  used: amountsSchema.describe('Spent in this period.'),
  reserved: amountsSchema.describe('By executions that run.'),
  breach: z.enum(breachLevels),
  period: z.number(),
  periodStartedAtMs: timeMs,
  nextResetAtMs: timeMs.nullable(),
  waiting: z.number().describe('Admission keys that wait for it.'),
})

const createFields = {
  ...statedBudgetFields,
  firstResetAtMs: timeMs.optional().describe('Default: a period from now.'),
} as const
const putBody = z.strictObject(createFields)
const createBody = z.strictObject({
  ...createFields,
  budgetId: budgetId.optional().describe('Minted by the server when absent.'),
  idempotencyKey: z.string().optional().describe('A repeat under the same key means the same budget.'),
})
const createSchema = z.object({ outcome: z.enum(['created', 'duplicate']), budget: budgetSchema })

const createAnswers = {
  status: ({ outcome }: CreateBudgetOutcome) => (outcome === 'created' ? 201 : 200),
  refusals: ['budget_conflict'],
  writeAnswer: (answer: CreateBudgetOutcome) => answer,
  readAnswer: (json: unknown): CreateBudgetOutcome => readReply(createSchema, json),
}

export const putBudget: WireOperation<CreateBudget, CreateBudgetOutcome> = {
  ...createAnswers,
  name: 'budgets.create',
  method: 'PUT',
  path: '/budgets/{budgetId}',
  summary: 'Create a budget by its id.',
  tag,
  schemas: { path: budgetPath, body: putBody, answer: createSchema },
  writeRequest: ({ namespace: _, budgetId: id, ...body }) => ({ path: { budgetId: id }, body }),
  readRequest: (call) => ({ params: { ...readBudgetPath(call), ...readWire(putBody, call.body) } }),
}

/** The same for callers that mint no ids. */
export const createBudget: WireOperation<CreateBudget, CreateBudgetOutcome> = {
  ...createAnswers,
  name: 'budgets.createMinted',
  method: 'POST',
  path: '/budgets',
  summary: 'Create a budget.',
  tag,
  schemas: { body: createBody, answer: createSchema },
  writeRequest: ({ namespace: _, ...body }) => ({ body }),
  readRequest: (call) => {
    const { budgetId: stated, idempotencyKey, ...settings } = readWire(createBody, call.body)
    const id = stated ?? mintIdOf(call, idempotencyKey)
    return { params: { ...settings, namespace: call.namespace, budgetId: id } }
  },
}

function mintIdOf({ namespace }: WireCall, idempotencyKey: string | undefined): BudgetId {
  if (idempotencyKey === undefined) return mintBudgetId()
  return parseBudgetId(deriveUuid('budget', namespace, idempotencyKey))
}

type Got = { readonly outcome: 'found'; readonly budget: Budget }
const getSchema = z.object({ outcome: z.literal('found'), budget: budgetSchema })

export const getBudget: WireOperation<GetBudget, Got> = {
  name: 'budgets.get',
  method: 'GET',
  path: '/budgets/{budgetId}',
  summary: 'Read a budget: what is spent and reserved.',
  tag,
  schemas: { path: budgetPath, answer: getSchema },
  refusals: [],
  writeRequest: ({ budgetId: id }) => ({ path: { budgetId: id } }),
  readRequest: (call) => ({ params: readBudgetPath(call) }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(getSchema, json),
}

const listQuery = z.strictObject(pageQuery)

export const listBudgets: WireOperation<ListBudgets, Page<Budget>> = {
  name: 'budgets.list',
  method: 'GET',
  path: '/budgets',
  summary: 'List budgets, newest first.',
  tag,
  schemas: { query: listQuery, answer: pageOf(budgetSchema) },
  refusals: [],
  writeRequest: ({ cursor, limit }) => ({ query: { cursor, limit } }),
  readRequest: (call) => ({ params: { ...readWire(listQuery, call.query), namespace: call.namespace } }),
  writeAnswer: (page) => page,
  readAnswer: (json) => readReply(pageOf(budgetSchema), json),
}

const settingsBody = z.strictObject(statedBudgetFields).partial()
const updateSchema = z.object({ outcome: z.literal('updated'), budget: budgetSchema })

export const updateBudget: WireOperation<
  UpdateBudget,
  { readonly outcome: 'updated'; readonly budget: Budget }
> = {
  name: 'budgets.update',
  method: 'POST',
  path: '/budgets/{budgetId}/settings',
  summary: 'Change limits, rule or period. What is absent stays.',
  tag,
  schemas: { path: budgetPath, body: settingsBody, answer: updateSchema },
  refusals: [],
  writeRequest: ({ budgetId: id, settings }) => ({ path: { budgetId: id }, body: settings }),
  readRequest: (call) => ({
    params: { ...readBudgetPath(call), settings: readWire(settingsBody, call.body) },
  }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(updateSchema, json),
}

const resetBody = z.strictObject({
  resetKey: z.string().describe('A repeat under the same key resets nothing again.'),
  reason: reasonField,
})
const resetSchema = z.object({ outcome: z.enum(['reset', 'duplicate']), budget: budgetSchema })

export const resetBudget: WireOperation<
  ResetBudget,
  { readonly outcome: 'reset' | 'duplicate'; readonly budget: Budget }
> = {
  name: 'budgets.reset',
  method: 'POST',
  path: '/budgets/{budgetId}/reset',
  summary: 'Begin a new period now. Reservations count against it.',
  tag,
  schemas: { path: budgetPath, body: resetBody, answer: resetSchema },
  refusals: [],
  writeRequest: ({ budgetId: id, resetKey, reason }) => ({
    path: { budgetId: id },
    body: { resetKey, reason },
  }),
  readRequest: (call) => ({ params: { ...readBudgetPath(call), ...readWire(resetBody, call.body) } }),
  writeAnswer: (answer) => answer,
  readAnswer: (json) => readReply(resetSchema, json),
}

export const reportUsage: WireOperation<ReportUsage, { readonly items: readonly ReportUsageOutcome[] }> =
  workerBatch({
    name: 'budgets.reportUsage',
    path: '/leases/usage',
    summary: 'Charge what attempts have spent.',
    tag: 'leases',
    item: z.strictObject({
      handle,
      budgetId,
      usageKey: z.string().describe('A repeat under the same key charges nothing again.'),
      amounts: amountsSchema,
    }),
    outcome: z.discriminatedUnion('outcome', [
      z.object({ outcome: z.enum(breachLevels), used: amountsSchema }),
      z.object({ outcome: z.literal('duplicate') }),
      z.object({ outcome: z.literal('stale_lease') }),
    ]),
    readItem: (wire) => wire,
    writeItem: (item) => item,
  })
