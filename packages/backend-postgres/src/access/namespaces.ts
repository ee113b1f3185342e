import {
  checkGetNamespace,
  checkListNamespaces,
  limits,
  type Namespace,
  type NamespaceRecord,
  type Page,
  type PageRequest,
  type Scoped,
  tooManyRecords,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

interface NamespaceRow {
  readonly name: Namespace
  readonly label: string
  readonly accepting: boolean
}

export function putNamespace(
  ctx: PostgresContext,
  { namespace, label, accepting }: NamespaceRecord,
): Promise<'created' | 'changed' | 'unchanged'> {
  return ctx.db.transaction(async (tx) => {
    const created = await tx.query<NamespaceRow>(
      `insert into ff.namespace (name, label, accepting)
         select $1, $2, $3 where (select count(*) from ff.namespace) < $4::integer
       on conflict (name) do nothing returning name`,
      [namespace, label, accepting, limits.recordsMax],
    )
    if (created.length > 0) return 'created'
    const [known] = await tx.query<NamespaceRow>(
      'select name, label, accepting from ff.namespace where name = $1 for update',
      [namespace],
    )
    if (known === undefined) throw tooManyRecords('namespaces')
    if (known.label === label && known.accepting === accepting) return 'unchanged'
    await tx.query('update ff.namespace set label = $2, accepting = $3 where name = $1', [
      namespace,
      label,
      accepting,
    ])
    return 'changed'
  })
}

export async function getNamespace(ctx: PostgresContext, params: Scoped) {
  checkGetNamespace(params)
  const { namespace } = params
  const [row] = await ctx.db.query<NamespaceRow>(
    'select name, label, accepting from ff.namespace where name = $1',
    [namespace],
  )
  return {
    outcome: 'found' as const,
    namespace: row === undefined ? { namespace, label: '', accepting: true } : toNamespace(row),
  }
}

export async function listNamespaces(
  ctx: PostgresContext,
  params: PageRequest,
): Promise<Page<NamespaceRecord>> {
  const after = checkListNamespaces(params)
  const limit = params.limit ?? limits.pageSizeDefault
  const rows = await ctx.db.query<NamespaceRow>(
    `select name, label, accepting from ff.namespace where $1::text is null or name > $1 order by name limit $2`,
    [after ?? null, limit + 1],
  )
  const page = rows.slice(0, limit)
  return {
    items: page.map(toNamespace),
    nextCursor: rows.length > limit ? (page.at(-1)?.name ?? null) : null,
  }
}

function toNamespace({ name, label, accepting }: NamespaceRow): NamespaceRecord {
  return { namespace: name, label, accepting }
}
