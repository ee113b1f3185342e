import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names a budget. Its UUID decides the budget's partition. */
export type BudgetId = Brand<string, 'BudgetId'>

const grammar = createUuidIdGrammar<BudgetId>('budget')

/** Parses the text of a UUID, lower case. Throws `invalid_budget_id`. */
export const parseBudgetId: (text: string) => BudgetId = grammar.parse

/** Whether the value is the text of a BudgetId. */
export const isBudgetId: (value: unknown) => value is BudgetId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintBudgetId: () => BudgetId = grammar.mint
