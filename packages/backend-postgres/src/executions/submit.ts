import {
  checkSubmitExecutions,
  type ExecutionSubmission,
  makePartitionTag,
  must,
  type SubmitExecutionOutcome,
  type SubmitExecutions,
  type SubmitExecutionsResult,
} from '@flowfabric/core'
import { storedDemandsOf } from '../admission/demands.js'
import type { PostgresContext } from '../db/context.js'
import type { SqlValue } from '../db/database.js'
import { groupsByKey } from '../db/group-commit.js'
import { announceReady } from '../leases/after-end.js'
import { callWithClaims, type StoreFunction } from '../leases/call-with-claims.js'
import type { Claimer } from '../leases/claim.js'
import { createGroupWithClaims, type GroupWithClaims } from '../leases/group-with-claims.js'
import { kickDispatch } from '../resolution/dispatch.js'
import { columnsOf, keyColumnsOf, readSettled, routeItems, toOutcome } from './routed-items.js'
import type { Routed, SubmittedRow } from './submission-row.js'
import { startsAtOnce, submitToClaim } from './submit-to-claim.js'

type Submit = (params: SubmitExecutions) => Promise<SubmitExecutionsResult>

/** One of the ways to submit: without and with idempotency keys, and with parents. */
interface Way {
  readonly fn: StoreFunction
  /** Items of one statement. */
  readonly itemsMax: number
  /** So many that wait go in a second statement beside the one under way. */
  readonly secondAt?: number
  /** Whether one item and one claim go by `submitToClaim`. */
  readonly canHand: boolean
  keyOf(routed: Routed): string
  otherKeyOf?(routed: Routed): string
  columnsOf(items: readonly Routed[]): SqlValue[]
}

const columns: readonly (keyof SubmittedRow)[] = [
  'ord',
  'outcome',
  'partition_key',
  'id',
  'lane_id',
  'lane_state',
  'eligible',
  'due_at',
]
const types = ['text', 'integer[]', 'uuid[]', 'integer[]', 'text[]', 'bytea[]', 'jsonb[]']

const plainWay: Way = {
  fn: { name: 'submit_executions', types, columns },
  itemsMax: 64,
  canHand: true,
  keyOf: ({ item }) => item.id,
  columnsOf,
}

/** Large calls without keys: in large statements, two at a time, for which no small call waits. */
const bulkWay: Way = { ...plainWay, itemsMax: 512, secondAt: 256, canHand: false }
const BULK_MIN = 65

const keyedWay: Way = {
  fn: { name: 'submit_keyed', types: [...types, 'text[]', 'bigint[]'], columns },
  // Each locks its key, and the server has room for some thousands of locks.
  itemsMax: 64,
  secondAt: 64,
  canHand: false,
  keyOf: ({ item }) => must(item.idempotencyKey, 'a key'),
  // Of two with one id and different keys the first is accepted, also where they go in two statements.
  otherKeyOf: ({ item }) => item.id,
  columnsOf: (items) => [...columnsOf(items), ...keyColumnsOf(items)],
}

/** For whatever has a parent, with a key or without. */
const linkedWay: Way = {
  fn: { name: 'submit_linked', types: [...keyedWay.fn.types, 'jsonb[]'], columns },
  itemsMax: 64,
  canHand: false,
  keyOf: ({ item }) => item.idempotencyKey ?? item.id,
  columnsOf: (items) => [
    ...columnsOf(items),
    ...keyColumnsOf(items),
    items.map(({ item }) => JSON.stringify(must(item.parent, 'a parent'))),
  ],
}

/** Accepts solo executions; calls at the same time share statements, and a large call goes in several. */
export function createSubmit(ctx: PostgresContext, claimer: Claimer): Submit {
  const plain = createGroups(ctx, claimer, plainWay)
  const bulk = createGroups(ctx, claimer, bulkWay)
  const keyed = createGroups(ctx, claimer, keyedWay)
  const linked = createGroups(ctx, claimer, linkedWay)
  return async (params) => {
    const counts = await ctx.partitions()
    const errors = checkSubmitExecutions(params, counts)
    const { namespace, items, next } = params
    const isBulk = items.length >= BULK_MIN
    const groupOf = (item: ExecutionSubmission | undefined) => {
      if (item?.parent !== undefined) return linked(namespace)
      if (item?.idempotencyKey !== undefined) return keyed(namespace)
      return isBulk ? bulk(namespace) : plain(namespace)
    }
    const routes = await routeItems(ctx, params, errors)
    const outcomes = items.map(async (item, index): Promise<SubmitExecutionOutcome> => {
      const routed = must(routes[index], 'a route')
      if (routed.status === 'rejected') throw routed.reason
      const route = routed.value
      if (route === null) return { outcome: 'too_many_routes', lane: item.lane }
      return toOutcome(await groupOf(item).add({ item, route, keyed: storedDemandsOf(item, counts) }), route)
    })
    const inGroups = new Set(items.map(groupOf))
    const [group] = inGroups
    // Behind the items in the queue, so that it sees them; when they go by two queues, or are many, after all. What a
    // statement beside it has not committed yet, a hint tells of. A claim that fails takes nothing back: who waits with it
    // tries again.
    const early =
      next === undefined || inGroups.size > 1 || isBulk ? undefined : group?.claim(next).catch(() => [])
    const [settled, carried] = await Promise.all([Promise.allSettled(outcomes), early])
    const claimed = carried ?? (next === undefined ? [] : await claimer.look(next).catch(() => []))
    return { items: settled.map(readSettled), claimed }
  }
}

function createGroups(
  ctx: PostgresContext,
  claimer: Claimer,
  { fn, itemsMax, secondAt, keyOf, otherKeyOf, columnsOf, canHand }: Way,
): (namespace: string) => GroupWithClaims<Routed, SubmittedRow> {
  return groupsByKey((namespace) =>
    createGroupWithClaims<Routed, SubmittedRow>({
      itemsMax,
      sizeOf: ({ item }) => item.input?.byteLength ?? 0,
      secondAt,
      keyOf,
      otherKeyOf,
      async run(items, requests) {
        const [only] = items
        const [request] = requests
        const isOnePair = items.length === 1 && requests.length === 1
        if (canHand && isOnePair && only !== undefined && request !== undefined && startsAtOnce(only)) {
          const { row, claimed } = await submitToClaim(ctx, claimer, namespace, only, request)
          announce(ctx, [row], new Map())
          return { rows: [row], claims: [claimed] }
        }
        const call = items.length === 0 ? undefined : { fn, values: [namespace, ...columnsOf(items)] }
        const answer = await callWithClaims<SubmittedRow>(ctx, claimer, call, requests)
        announce(ctx, answer.rows, answer.claimedByLane)
        if (fn === linkedWay.fn) kickDispatch(ctx, new Set(answer.rows.map((row) => row.partition_key)))
        const rows: SubmittedRow[] = []
        for (const row of answer.rows) rows[row.ord - 1] = row
        return { rows, claims: answer.claims }
      },
    }),
  )
}

function announce(
  ctx: PostgresContext,
  rows: readonly SubmittedRow[],
  claimedByLane: ReadonlyMap<number, number>,
): void {
  if (!ctx.hints.hasListeners) return
  const readyByLane = new Map<number, number>()
  const dueByPartition = new Map<number, number>()
  for (const { outcome, lane_id, eligible, due_at, partition_key } of rows) {
    if (outcome !== 'accepted') continue
    if (eligible === true && lane_id !== null) readyByLane.set(lane_id, (readyByLane.get(lane_id) ?? 0) + 1)
    if (due_at !== null)
      dueByPartition.set(partition_key, Math.min(due_at, dueByPartition.get(partition_key) ?? due_at))
  }
  // What was claimed in the same transaction need not be announced to others.
  for (const [lane, count] of claimedByLane) readyByLane.set(lane, (readyByLane.get(lane) ?? 0) - count)
  announceReady(ctx, readyByLane)
  for (const [partition, dueAtMs] of dueByPartition) {
    ctx.hints.emit({ type: 'due', partition: makePartitionTag('flow', partition), dueAtMs })
  }
}
