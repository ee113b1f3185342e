import {
  type FoundationBackend,
  hashTokenSecret,
  type Namespace,
  type NewApiToken,
  type Page,
  type PageRequest,
  type TokenScope,
} from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, lanes, type World } from '../world.js'

const scopeSets: readonly [readonly TokenScope[], ...(readonly TokenScope[])[]] = [
  ['read'],
  ['work', 'submit'],
  ['submit', 'work'],
]
const hashes: readonly string[] = [hashTokenSecret('one'), hashTokenSecret('two')]

export function put(c: Chooser, world: World): Call {
  return c.below(3) === 0 ? putNamespace(c, world) : putToken(c, world)
}

function putToken(c: Chooser, world: World): Call {
  const token: NewApiToken = {
    id: c.of([world.tokens[0], world.tokens[1]]),
    label: c.of(['one', 'other']),
    scopes: c.rarely(8) ? ['admin'] : c.of(scopeSets),
    namespaces: c.rarely(3) ? null : c.of([[world.namespace], [world.foreign, world.namespace]]),
    lanes: c.rarely(3) ? [...lanes] : null,
    expiresAtMs: c.rarely(3) ? c.of([0, 4_000_000_000_000]) : null,
  }
  const hash = hashes[c.rarely(4) ? 1 : 0] ?? ''
  return {
    text: `access.put token ${JSON.stringify(token)} ${hash.slice(0, 4)}`,
    on: (backend) => backend.access.put({ kind: 'token', token, hash }),
  }
}

function putNamespace(c: Chooser, world: World): Call {
  const namespace = {
    namespace: c.of([world.namespace, world.foreign]),
    label: c.rarely(6) ? 'x'.repeat(1_000) : c.of(['', 'a tenant']),
    accepting: c.below(2) === 0,
  }
  return {
    text: `access.put namespace ${namespace.namespace} ${namespace.accepting}`,
    on: (backend) => backend.access.put({ kind: 'namespace', namespace }),
  }
}

export function revoke(c: Chooser, world: World): Call {
  const tokenId = c.of(world.tokens)
  return { text: `access.revoke ${tokenId}`, on: (backend) => backend.access.revoke({ tokenId }) }
}

export function verify(c: Chooser, world: World): Call {
  const params = { tokenId: c.of(world.tokens), hash: c.rarely(4) ? (hashes[1] ?? '') : (hashes[0] ?? '') }
  return { text: `access.verify ${params.tokenId}`, on: (backend) => backend.access.verify(params) }
}

export function listTokens(c: Chooser, world: World): Call {
  const cursor = c.rarely(6) ? 'p1' : undefined
  return {
    text: `access.listTokens ${cursor ?? ''}`,
    on: async ({ access }: FoundationBackend) => {
      const all = await listAll((params) => access.listTokens(params), cursor)
      return { outcome: 'listed', tokens: all.filter(({ id }) => world.tokens.includes(id)) }
    },
  }
}

export function listNamespaces(c: Chooser, world: World): Call {
  const cursor = c.rarely(6) ? 'no name' : undefined
  return {
    text: `access.listNamespaces ${cursor ?? ''}`,
    on: async ({ access }: FoundationBackend) => {
      const all = await listAll((params) => access.listNamespaces(params), cursor)
      const own = [world.namespace, world.foreign]
      return { outcome: 'listed', namespaces: all.filter(({ namespace }) => own.includes(namespace)) }
    },
  }
}

export function getNamespace(c: Chooser, world: World): Call {
  const namespace = c.rarely(6) ? ('No Name' as Namespace) : c.of([world.namespace, world.foreign])
  return {
    text: `access.getNamespace ${namespace}`,
    on: (backend) => backend.access.getNamespace({ namespace }),
  }
}

/** Page by page; other runs on the same store have records of their own. */
async function listAll<Item>(
  list: (params: PageRequest) => Promise<Page<Item>>,
  from: string | undefined,
): Promise<Item[]> {
  const items: Item[] = []
  let cursor = from
  for (;;) {
    const page = await list({ cursor, limit: 1_000 })
    items.push(...page.items)
    if (page.nextCursor === null) return items
    cursor = page.nextCursor
  }
}
