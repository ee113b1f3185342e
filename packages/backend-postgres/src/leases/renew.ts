import {
  type CancelCause,
  checkRenew,
  type LeaseHandle,
  must,
  type RenewLeases,
  type RenewOutcome,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { createGroup, groupsByNamespaces } from '../db/group-commit.js'
import { answerEach, handleColumns } from './handle-columns.js'
import { type RefusalRow, toRefusal } from './refusal.js'

interface RenewedRow extends RefusalRow {
  readonly ord: number
  readonly expires_at: number | null
  readonly grace_ends_at: number | null
  readonly cancel_cause: CancelCause | null
}

interface Renewal {
  readonly handle: LeaseHandle
  readonly leaseTtlMs: number
}

type Renew = (params: RenewLeases) => Promise<{ readonly items: readonly RenewOutcome[] }>

/** Extends leases. The row's timer is left alone, so that a renewal changes no index. */
export function createRenew(ctx: PostgresContext): Renew {
  const groupOf = groupsByNamespaces((namespaces) =>
    createGroup<Renewal, RenewedRow>({
      itemsMax: 64,
      keyOf: ({ handle }) => handle.executionId,
      run: (items) => runRenewals(ctx, namespaces, items),
    }),
  )
  return async (params) => {
    const handles = checkRenew(params)
    const group = groupOf(params.namespaces)
    const items = await answerEach(handles, async (handle, index) => {
      const { leaseTtlMs } = must(params.items[index], 'an item')
      return toOutcome(await group.add({ handle, leaseTtlMs }))
    })
    return { items: items as readonly RenewOutcome[] }
  }
}

async function runRenewals(
  ctx: PostgresContext,
  namespaces: readonly string[],
  items: readonly Renewal[],
): Promise<readonly RenewedRow[]> {
  const rows = await ctx.db.call<RenewedRow>(
    `select ord, expires_at, grace_ends_at, cancel_cause, refusal, ended_by, terminal_outcome, answer
     from ff.renew_leases($1::integer[], $2::uuid[], $3::integer[], $4::uuid[], $5::bigint[], $6::bigint[], $7::text[])`,
    [
      ...handleColumns(items.map(({ handle }) => handle)),
      items.map(({ leaseTtlMs }) => leaseTtlMs),
      namespaces,
    ],
  )
  const inOrder: RenewedRow[] = []
  for (const row of rows) inOrder[row.ord - 1] = row
  return inOrder
}

function toOutcome(row: RenewedRow) {
  const refusal = toRefusal(row)
  if (refusal !== undefined) return refusal
  const cancelRequested =
    row.grace_ends_at === null
      ? null
      : { graceEndsAtMs: row.grace_ends_at, cause: must(row.cancel_cause, 'the cause of a requested cancel') }
  return {
    outcome: 'renewed' as const,
    expiresAtMs: must(row.expires_at, 'the end of a lease'),
    cancelRequested,
  }
}
