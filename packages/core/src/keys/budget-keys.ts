import type { BudgetId } from '../ids/budget-id.js'
import { partitionOfBudget } from '../partitions/partition-of.js'
import { makeKeyPrefix } from './key-grammar.js'

/** The keys of one budget, and the indexes of its partition. */
export class BudgetKeys {
  readonly #prefix: string
  readonly #indexPrefix: string

  /** `count` is the deployment's count of budget partitions. */
  constructor(budgetId: BudgetId, count: number) {
    const partitionIndex = partitionOfBudget(budgetId, count)
    this.#prefix = `${makeKeyPrefix('budget', 'budget', partitionIndex)}${budgetId}`
    this.#indexPrefix = makeKeyPrefix('idx', 'budget', partitionIndex)
  }

  /** HASH: the record: limits per dimension, period, scope, rule for a hard breach. */
  core(): string {
    return `${this.#prefix}:core`
  }

  /** HASH: usage and reserved amount per dimension in the present period. */
  usage(): string {
    return `${this.#prefix}:usage`
  }

  /** HASH: execution id → its reservation, tentative or held. */
  reservations(): string {
    return `${this.#prefix}:reservations`
  }

  /** STREAM: the ledger's entries, from which the counters can be recounted. */
  ledger(): string {
    return `${this.#prefix}:ledger`
  }

  /** ZSET: idempotency keys of reported usage, by the time at which each is forgotten. */
  reportKeys(): string {
    return `${this.#prefix}:report_keys`
  }

  /** ZSET: partitions and admission keys that wait for room, in the order in which they are woken. */
  waiters(): string {
    return `${this.#prefix}:waiters`
  }

  /** SET: ids of all budgets of the partition. */
  index(): string {
    return `${this.#indexPrefix}budgets`
  }

  /** ZSET: ids of the partition's periodic budgets, by their next reset. */
  resets(): string {
    return `${this.#indexPrefix}resets`
  }
}
