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
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { unreadable } from '../library/unreadable.js'
import { homeTag } from '../maintenance/prepare.js'

export async function putNamespace(
  ctx: ValkeyContext,
  { namespace, label, accepting }: NamespaceRecord,
): Promise<'created' | 'changed' | 'unchanged'> {
  const { reply } = await ctx.invoke({
    name: 'access_put_namespace',
    tag: homeTag,
    args: [namespace, label, accepting],
  })
  if (reply === 'full') throw tooManyRecords('namespaces')
  return reply as 'created' | 'changed' | 'unchanged'
}

export async function getNamespace(ctx: ValkeyContext, params: Scoped) {
  checkGetNamespace(params)
  const { namespace } = params
  const { reply } = await ctx.invoke({ name: 'access_get_namespace', tag: homeTag, args: [namespace] })
  const record = asList(reply)
  return {
    outcome: 'found' as const,
    namespace:
      record.length === 0 ? { namespace, label: '', accepting: true } : toNamespace(namespace, record),
  }
}

export async function listNamespaces(
  ctx: ValkeyContext,
  params: PageRequest,
): Promise<Page<NamespaceRecord>> {
  const after = checkListNamespaces(params)
  const { reply } = await ctx.invoke({
    name: 'access_list_namespaces',
    tag: homeTag,
    args: [after ?? '', params.limit ?? limits.pageSizeDefault],
  })
  const [records, more] = reply
  const items = asList(records).map(([name, record]) => toNamespace(name, record))
  return { items, nextCursor: more ? (items.at(-1)?.namespace ?? null) : null }
}

function toNamespace(name: string, record: readonly unknown[]): NamespaceRecord {
  const [label, accepting] = asList(record)
  if (typeof label !== 'string' || typeof accepting !== 'boolean') throw unreadable(`namespace ${name}`)
  return { namespace: name as Namespace, label, accepting }
}
