import {
  checkListSignals,
  type ListSignals,
  type Page,
  partitionIndexOf,
  type Signal,
  uuidOf,
} from '@flowfabric/core'
import { requireExecution } from '../attempts/list.js'
import { readPositionPage, toPositionPage } from '../attempts/position-page.js'
import type { PostgresContext } from '../db/context.js'
import { toSignalId, toSuspensionId, toWaitpointId } from './ids.js'

interface SignalRow {
  readonly id: string
  readonly waitpoint_id: string | null
  readonly name: string
  readonly payload: Uint8Array | null
  readonly source: string | null
  readonly received_at: number
  readonly suspension_id: string | null
}

export async function listSignals(ctx: PostgresContext, params: ListSignals): Promise<Page<Signal>> {
  checkListSignals(params, await ctx.partitions())
  const { executionId, waitpointId, suspensionId } = params
  const page = readPositionPage(params)
  const key = await requireExecution(ctx, params)
  const partition = partitionIndexOf(executionId)
  const isElsewhere = [waitpointId, suspensionId].some(
    (id) => id !== undefined && partitionIndexOf(id) !== partition,
  )
  if (isElsewhere) return { items: [], nextCursor: null }
  const rows = await ctx.db.query<SignalRow>(
    `select id, waitpoint_id, name, payload, source, received_at, suspension_id from ff.signal
     where partition_key = $1 and execution_id = $2 and ($3::uuid is null or waitpoint_id = $3) and ($4::uuid is null or suspension_id = $4)
     order by sequence offset $5 limit $6`,
    [
      ...key,
      waitpointId === undefined ? null : uuidOf(waitpointId),
      suspensionId === undefined ? null : uuidOf(suspensionId),
      page.offset,
      page.limit + 1,
    ],
  )
  return toPositionPage(
    rows.map((row) => toListed(partition, row)),
    page,
  )
}

function toListed(partition: number, row: SignalRow): Signal {
  return {
    id: toSignalId(partition, row.id),
    waitpointId: row.waitpoint_id === null ? null : toWaitpointId(partition, row.waitpoint_id),
    name: row.name,
    payload: row.payload,
    source: row.source,
    receivedAtMs: row.received_at,
    suspensionId: row.suspension_id === null ? null : toSuspensionId(partition, row.suspension_id),
  }
}
