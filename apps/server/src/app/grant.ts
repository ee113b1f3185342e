import {
  type ApiToken,
  type ClaimRequest,
  defaultNamespace,
  engineError,
  type LaneId,
  type Namespace,
  type TokenScope,
  tokenScopes,
} from '@flowfabric/core'

/** What the credentials of a request allow. */
export interface Grant {
  /** Whose they are: what the audit log tells, and the source of a signal. */
  readonly subject: string
  readonly scopes: ReadonlySet<TokenScope>
  /** `null`: all. */
  readonly namespaces: ReadonlySet<Namespace> | null
  /** Of claims. `null`: all. */
  readonly lanes: ReadonlySet<LaneId> | null
}

/** Whoever bears the token that the server was configured with. */
export const ownersGrant: Grant = {
  subject: 'configured-token',
  scopes: new Set(tokenScopes),
  namespaces: null,
  lanes: null,
}

/** Whoever comes without credentials to a route that takes something else in their place. */
export const visitorsGrant: Grant = {
  subject: 'visitor',
  scopes: new Set(),
  namespaces: null,
  lanes: null,
}

export function grantOf({ id, scopes, namespaces, lanes }: ApiToken): Grant {
  return {
    subject: `token:${id}`,
    scopes: new Set(scopes),
    namespaces: namespaces && new Set(namespaces),
    lanes: lanes && new Set(lanes),
  }
}

/**
 * The namespace of a request: the one that it names, or `default`, or where that is closed to it the first that is open.
 * Throws `namespace_not_found` for one that is closed, whether there is anything in it or not.
 */
export function namespaceOf(grant: Grant, named: Namespace | undefined): Namespace {
  const { namespaces } = grant
  if (namespaces === null) return named ?? defaultNamespace
  const [first = defaultNamespace] = namespaces
  const namespace = named ?? (namespaces.has(defaultNamespace) ? defaultNamespace : first)
  if (!namespaces.has(namespace)) throw namespaceNotFound()
  return namespace
}

interface WorkerParams {
  readonly namespaces?: readonly Namespace[]
  readonly lanes?: readonly LaneId[]
  readonly next?: ClaimRequest | undefined
}

/**
 * The params of a worker's call as the credentials allow them: of the namespaces and lanes that it names, those that are open
 * to it; the same for the claim behind a completion. Throws `namespace_not_found` or `lane_not_found` when none is left.
 */
export function limitToGrant<Params>(grant: Grant, params: Params): Params {
  if (grant.namespaces === null && grant.lanes === null) return params
  if (typeof params !== 'object' || params === null) return params
  const { namespaces, lanes, next } = params as WorkerParams
  return {
    ...params,
    ...(namespaces === undefined
      ? {}
      : { namespaces: keep(namespaces, grant.namespaces, namespaceNotFound) }),
    ...(lanes === undefined ? {} : { lanes: keep(lanes, grant.lanes, laneNotFound) }),
    ...(next === undefined ? {} : { next: limitToGrant(grant, next) }),
  }
}

/** What is no list is left to the operation's own check. */
function keep<Name>(
  names: readonly Name[],
  allowed: ReadonlySet<Name> | null,
  refuse: () => Error,
): readonly Name[] {
  if (allowed === null || !Array.isArray(names) || names.length === 0) return names
  const kept = names.filter((name) => allowed.has(name))
  if (kept.length === 0) throw refuse()
  return kept
}

function namespaceNotFound() {
  return engineError('namespace_not_found', 'No such namespace, or not one of these credentials')
}

function laneNotFound() {
  return engineError('lane_not_found', 'None of these lanes is one of these credentials')
}
