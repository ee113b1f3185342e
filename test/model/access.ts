import {
  type AccessOperations,
  type ApiToken,
  checkGetNamespace,
  checkListNamespaces,
  checkListTokens,
  checkPutAccess,
  checkRevokeToken,
  checkVerifyToken,
  engineError,
  judgeToken,
  limits,
  type NamespaceRecord,
  type NewApiToken,
  normaliseToken,
  type Page,
} from '@flowfabric/core'
import { requireRoom } from './keyring.js'
import { type Model, operate } from './store.js'

export function createAccess(model: Model): AccessOperations {
  return {
    put: (params) =>
      operate(model, () => {
        checkPutAccess(params)
        const outcome =
          params.kind === 'token'
            ? putToken(model, params.token, params.hash)
            : putNamespace(model, params.namespace)
        return { outcome }
      }),

    listTokens: (params) =>
      operate(model, () => {
        const after = checkListTokens(params)
        const tokens = [...model.tokens.values()].map(({ token }) => token)
        return pageAfter(tokens, ({ id }) => id, after, params.limit)
      }),

    listNamespaces: (params) =>
      operate(model, () => {
        const after = checkListNamespaces(params)
        return pageAfter([...model.namespaces.values()], ({ namespace }) => namespace, after, params.limit)
      }),

    getNamespace: (params) =>
      operate(model, () => {
        checkGetNamespace(params)
        const { namespace } = params
        const record = model.namespaces.get(namespace) ?? { namespace, label: '', accepting: true }
        return { outcome: 'found' as const, namespace: record }
      }),

    revoke: (params) =>
      operate(model, () => {
        checkRevokeToken(params)
        const stored = model.tokens.get(params.tokenId)
        if (stored === undefined) throw engineError('token_not_found', `there is no token ${params.tokenId}`)
        if (stored.token.revokedAtMs !== null) return { outcome: 'already_revoked' as const }
        const token = { ...stored.token, revokedAtMs: model.clock.nowMs() }
        model.tokens.set(token.id, { ...stored, token })
        return { outcome: 'revoked' as const }
      }),

    verify: (params) =>
      operate(model, () => {
        checkVerifyToken(params)
        return judgeToken(model.tokens.get(params.tokenId), params.hash, model.clock.nowMs())
      }),
  }
}

/** When a token is removed, if ever: so long after it ended. */
export function removedAtMs({ revokedAtMs, expiresAtMs }: ApiToken): number {
  return (
    Math.min(revokedAtMs ?? Number.POSITIVE_INFINITY, expiresAtMs ?? Number.POSITIVE_INFINITY) +
    limits.tokenKeptMs
  )
}

function putToken(model: Model, asked: NewApiToken, hash: string) {
  const wanted = normaliseToken(asked)
  const stored = model.tokens.get(wanted.id)
  if (stored === undefined) {
    requireRoom(model.tokens.size, 'tokens')
    const token = { ...wanted, createdAtMs: model.clock.nowMs(), revokedAtMs: null }
    model.tokens.set(wanted.id, { token, hash })
    return 'created' as const
  }
  if (stored.hash !== hash) throw engineError('token_conflict', `the id ${wanted.id} is taken`)
  if (stored.token.revokedAtMs !== null) throw engineError('token_revoked', `token ${wanted.id} was revoked`)
  const token = { ...stored.token, ...wanted }
  if (JSON.stringify(token) === JSON.stringify(stored.token)) return 'unchanged' as const
  model.tokens.set(wanted.id, { token, hash })
  return 'changed' as const
}

function putNamespace(model: Model, { namespace, label, accepting }: NamespaceRecord) {
  const stored = model.namespaces.get(namespace)
  if (stored === undefined) requireRoom(model.namespaces.size, 'namespaces')
  model.namespaces.set(namespace, { namespace, label, accepting })
  if (stored === undefined) return 'created' as const
  return stored.label === label && stored.accepting === accepting
    ? ('unchanged' as const)
    : ('changed' as const)
}

/** A page of what is listed by a name: the cursor is the last one told. */
function pageAfter<Item>(
  all: readonly Item[],
  nameOf: (item: Item) => string,
  after: string | undefined,
  limit: number = limits.pageSizeDefault,
): Page<Item> {
  const rest = all
    .filter((item) => after === undefined || nameOf(item) > after)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  const items = rest.slice(0, limit)
  const last = items.at(-1)
  return { items, nextCursor: last === undefined || items.length === rest.length ? null : nameOf(last) }
}
