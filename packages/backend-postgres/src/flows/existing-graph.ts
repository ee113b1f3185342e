import {
  type ExistingGraph,
  type ExtendFlow,
  engineError,
  limits,
  makeExecutionId,
  uuidOf,
} from '@flowfabric/core'
import type { Executor } from '../db/database.js'

interface EdgeRow {
  readonly up: string
  readonly down: string
  readonly as_name: string | null
}

/**
 * What the flow already holds, as far as the call's graph touches it. Where every edge points at a new node, that is a
 * look at the named members only: a cycle needs an edge that points at an old one.
 */
export async function readExistingGraph(
  tx: Executor,
  partition: number,
  { flowId, nodes, edges }: ExtendFlow,
): Promise<ExistingGraph> {
  const fresh = new Set(nodes.map(({ id }) => id))
  const named = [...new Set(edges.flatMap(({ from, to }) => [from, to]).filter((id) => !fresh.has(id)))]
  const members = await tx.query<{ id: string }>(
    'select id from ff.execution where partition_key = $1 and id = any($2::uuid[]) and flow_id = $3',
    [partition, named.map(uuidOf), flowId],
  )
  const names = nodes.flatMap(({ name }) => name ?? [])
  const taken =
    names.length === 0
      ? []
      : await tx.query<{ name: string }>(
          `select i.name from ff.execution x join ff.execution_info i on i.partition_key = x.partition_key and i.id = x.id
           where x.flow_id = $1 and i.name = any($2::text[])`,
          [flowId, names],
        )
  const targets = [...new Set(edges.map(({ to }) => to).filter((id) => !fresh.has(id)))].map(uuidOf)
  const known = targets.length === 0 ? [] : await readEdgesBelow(tx, partition, targets)
  return {
    ids: new Set(members.map(({ id }) => makeExecutionId(partition, id))),
    names: new Set(taken.map(({ name }) => name)),
    edges: known.map(({ up, down, as_name }) => ({
      from: makeExecutionId(partition, up),
      to: makeExecutionId(partition, down),
      as: as_name ?? undefined,
    })),
  }
}

/** The edges into the targets, which the call could double, and all below them, by which it could close a cycle. */
async function readEdgesBelow(
  tx: Executor,
  partition: number,
  targets: readonly string[],
): Promise<readonly EdgeRow[]> {
  const max = limits.cycleCheckEdgesMax
  const rows = await tx.query<EdgeRow>(
    `with recursive below as (
       select id from unnest($2::uuid[]) as t(id)
       union
       select e.downstream_id from below b join ff.edge e on e.partition_key = $1 and e.upstream_id = b.id
     )
     (select e.upstream_id as up, e.downstream_id as down, e.as_name
      from below b join ff.edge e on e.partition_key = $1 and e.upstream_id = b.id limit $3)
     union
     (select e.upstream_id, e.downstream_id, e.as_name
      from unnest($2::uuid[]) as t(id) join ff.edge e on e.partition_key = $1 and e.downstream_id = t.id)`,
    [partition, targets, max + 1],
  )
  if (rows.length > max) {
    throw engineError(
      'cycle_check_exceeded',
      `More than ${max} edges lie below the targets of the new edges`,
      { max },
    )
  }
  return rows
}
