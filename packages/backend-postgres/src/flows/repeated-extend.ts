import { type ExtendFlow, hashInput, uuidOf } from '@flowfabric/core'
import type { Executor } from '../db/database.js'

interface NodeRow {
  readonly id: string
  readonly is_ours: boolean
  readonly name: string | null
  readonly kind: string
  readonly input_hash: string
}

/** Whether the call was carried out before (`duplicate`), or clashes with what is there (`conflict`). */
export async function judgeRepeat(
  tx: Executor,
  partition: number,
  { namespace, flowId, nodes, edges }: ExtendFlow,
): Promise<'duplicate' | 'conflict' | undefined> {
  const rows = await tx.query<NodeRow>(
    `select x.id, x.flow_id is not distinct from $3::uuid and i.namespace = $4 as is_ours, i.name, i.kind,
       convert_from(i.input_hash, 'UTF8') as input_hash
     from ff.execution x join ff.execution_info i on i.partition_key = x.partition_key and i.id = x.id
     where x.partition_key = $1 and x.id = any($2::uuid[])`,
    [partition, nodes.map(({ id }) => uuidOf(id)), flowId, namespace],
  )
  const there = new Map(rows.map((row) => [row.id, row]))
  const isSame = nodes.map((node) => {
    const row = there.get(uuidOf(node.id))
    if (row === undefined) return undefined
    const hash = node.inputHash ?? hashInput(node.input)
    return (
      row.is_ours && row.name === (node.name ?? null) && row.kind === node.kind && row.input_hash === hash
    )
  })
  const allSame = isSame.every((same) => same === true)
  if (allSame && (await countEdges(tx, partition, edges)) === edges.length) return 'duplicate'
  return isSame.every((same) => same === undefined) ? undefined : 'conflict'
}

async function countEdges(tx: Executor, partition: number, edges: ExtendFlow['edges']): Promise<number> {
  const [row] = await tx.query<{ found: number }>(
    `select count(*) as found from unnest($2::uuid[], $3::uuid[], $4::text[]) as i(up, down, as_name)
     join ff.edge e on e.partition_key = $1 and e.upstream_id = i.up and e.downstream_id = i.down
       and e.as_name is not distinct from i.as_name`,
    [
      partition,
      edges.map(({ from }) => uuidOf(from)),
      edges.map(({ to }) => uuidOf(to)),
      edges.map((edge) => edge.as ?? null),
    ],
  )
  return row?.found ?? 0
}
