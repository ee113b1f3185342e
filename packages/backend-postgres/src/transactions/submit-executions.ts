import {
  checkSubmitExecutions,
  type ExecutionOperations,
  engineError,
  type Hint,
  makePartitionTag,
  must,
  type SubmitExecutionOutcome,
} from '@flowfabric/core'
import { storedDemandsOf } from '../admission/demands.js'
import { toParameter } from '../db/database.js'
import { columnsOf, keyColumnsOf, readSettled, routeItems, toOutcome } from '../executions/routed-items.js'
import type { Routed, SubmittedRow } from '../executions/submission-row.js'
import type { Inside } from './submits.js'

const types = [
  'text',
  'integer[]',
  'uuid[]',
  'integer[]',
  'text[]',
  'bytea[]',
  'jsonb[]',
  'text[]',
  'bigint[]',
]
/** Items of one statement: no process's neighbours wait for it. */
const ITEMS_MAX = 256

/** As the ordinary submit, but each statement is the user's transaction's, and nothing is claimed along. */
export function createSubmitInside(inside: Inside): ExecutionOperations['submit'] {
  const { look } = inside
  return async (params) => {
    const counts = await look.partitions()
    const errors = checkSubmitExecutions(params, counts)
    refuseForeign('next', params.next)
    params.items.forEach((item) => {
      refuseForeign('items.parent', item?.parent)
    })
    const { namespace, items } = params
    const settled: PromiseSettledResult<SubmitExecutionOutcome>[] = []
    const good: { readonly index: number; readonly routed: Routed }[] = []
    for (const [index, each] of (await routeItems(look, params, errors)).entries()) {
      const item = must(items[index], 'an item')
      if (each.status === 'rejected') settled[index] = each
      else if (each.value === null) {
        settled[index] = { status: 'fulfilled', value: { outcome: 'too_many_routes', lane: item.lane } }
      } else good.push({ index, routed: { item, route: each.value, keyed: storedDemandsOf(item, counts) } })
    }
    for (const batch of toBatches(good)) {
      const rows = await submit(
        inside,
        namespace,
        batch.map(({ routed }) => routed),
      )
      for (const { ord, ...row } of rows) {
        const { index, routed } = must(batch[ord - 1], 'the item of an answer')
        settled[index] = { status: 'fulfilled', value: toOutcome(row, routed.route) }
      }
    }
    return { items: settled.map(readSettled), claimed: [] }
  }
}

/** What only the process that claims and links can do. */
function refuseForeign(path: string, value: unknown): void {
  if (value === undefined) return
  const message = "is not for a transaction of the user's own"
  throw engineError('invalid_params', `${path}: ${message}`, { issues: [{ path, message }] })
}

/** An id and a key occur once in a statement; items with keys go by themselves. */
function toBatches<Entry extends { readonly routed: Routed }>(entries: readonly Entry[]): readonly Entry[][] {
  const batches: { readonly isKeyed: boolean; readonly names: Set<string>; readonly entries: Entry[] }[] = []
  for (const entry of entries) {
    const { id, idempotencyKey } = entry.routed.item
    const isKeyed = idempotencyKey !== undefined
    const names = [id, ...(isKeyed ? [`key ${idempotencyKey}`] : [])]
    const last = batches.findLast((batch) => batch.isKeyed === isKeyed)
    if (
      last !== undefined &&
      last.entries.length < ITEMS_MAX &&
      !names.some((name) => last.names.has(name))
    ) {
      for (const name of names) last.names.add(name)
      last.entries.push(entry)
    } else batches.push({ isKeyed, names: new Set(names), entries: [entry] })
  }
  return batches.map((batch) => batch.entries)
}

async function submit(
  { look, call, foretell }: Inside,
  namespace: string,
  items: readonly Routed[],
): Promise<readonly SubmittedRow[]> {
  const isKeyed = items[0]?.item.idempotencyKey !== undefined
  const values = [namespace, ...columnsOf(items), ...(isKeyed ? keyColumnsOf(items) : [null, null])]
  const rows = (await call('submit_inside', types, values.map(toParameter))) as readonly SubmittedRow[]
  if (look.hints.hasListeners) foretell(hintsOf(rows, items))
  return rows
}

function hintsOf(rows: readonly SubmittedRow[], items: readonly Routed[]): readonly Hint[] {
  return rows.flatMap(({ ord, outcome, eligible, due_at, partition_key }): Hint[] => {
    if (outcome !== 'accepted') return []
    const { namespace, name: lane } = must(items[ord - 1], 'the item of an answer').route.lane
    const partition = makePartitionTag('flow', partition_key)
    return [
      ...(eligible ? [{ type: 'ready' as const, namespace, lane, count: 1 }] : []),
      ...(due_at === null ? [] : [{ type: 'due' as const, partition, dueAtMs: due_at }]),
    ]
  })
}
