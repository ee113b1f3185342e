import { type TokenScope, tokenScopes } from '@flowfabric/core'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A token with any of these may call the route. */
    readonly scopes?: readonly TokenScope[]
    /** Whoever bears the waitpoint's token needs no other one. */
    readonly takesWaitpointToken?: boolean
  }
}

/** For routes that tell nothing of anybody's work, and answers that every caller gets. */
export const anyScope: readonly TokenScope[] = tokenScopes

/** Who may call what: a token with any of the scopes. A route that is not here is not served. */
const routeScopes: Readonly<Record<string, readonly TokenScope[]>> = {
  'executions.submit': ['submit'],
  'executions.submitOne': ['submit'],
  'executions.get': ['read'],
  'executions.getResult': ['read', 'submit'],
  'executions.result': ['read', 'submit'],
  'executions.list': ['read'],
  'executions.count': ['read'],
  'executions.explain': ['read'],
  'executions.explainFacts': ['read'],
  'executions.events': ['read'],
  'executions.cancel': ['operate'],
  'executions.replay': ['operate'],
  'executions.hold': ['operate'],
  'executions.release': ['operate'],
  'executions.changePriority': ['operate'],
  'executions.setTags': ['operate'],
  'attempts.list': ['read'],
  'attempts.loadSteps': ['read', 'work'],
  'attempts.loadUpstream': ['read', 'work'],
  'attempts.recordProgress': ['work'],
  'attempts.recordStep': ['work'],
  'leases.claim': ['work'],
  'leases.renew': ['work'],
  'leases.complete': ['work'],
  'leases.fail': ['work'],
  'leases.delay': ['work'],
  'leases.yield': ['work'],
  'leases.revoke': ['operate'],
  'flows.submit': ['submit'],
  'flows.createDraft': ['submit'],
  'flows.extend': ['submit'],
  'flows.seal': ['submit'],
  'flows.get': ['read'],
  'flows.getGraph': ['read'],
  'flows.getResult': ['read', 'submit'],
  'flows.result': ['read', 'submit'],
  'flows.events': ['read'],
  'flows.list': ['read'],
  'flows.cancel': ['operate'],
  'flows.replay': ['operate'],
  'suspensions.suspend': ['work'],
  'suspensions.createWaitpoint': ['submit', 'work'],
  // A token that binds a source speaks for that source.
  'suspensions.mintToken': ['work', 'operate'],
  'suspensions.closeWaitpoint': ['operate'],
  'suspensions.listWaitpoints': ['read'],
  'suspensions.deliverSignal': ['submit', 'operate'],
  'suspensions.listSignals': ['read', 'work'],
  'executions.signal': ['submit', 'operate'],
  'streams.append': ['work'],
  'streams.read': ['read'],
  'streams.tail': ['read'],
  'streams.readSummary': ['read'],
  'budgets.create': ['operate'],
  'budgets.createMinted': ['operate'],
  'budgets.get': ['read'],
  'budgets.list': ['read'],
  'budgets.update': ['operate'],
  'budgets.reset': ['operate'],
  'budgets.reportUsage': ['work'],
  'quotas.create': ['operate'],
  'quotas.createMinted': ['operate'],
  'quotas.get': ['read'],
  'quotas.list': ['read'],
  'quotas.update': ['operate'],
  'quotas.acquire': ['work'],
  'quotas.release': ['work'],
  'lanes.configure': ['operate'],
  // Whoever mints ids must know the shards of lanes.
  'lanes.list': ['read', 'submit'],
  'lanes.setState': ['operate'],
  'workers.register': ['work'],
  'workers.heartbeat': ['work'],
  'workers.list': ['read'],
  'workers.drain': ['operate'],
  'schedules.put': ['operate'],
  'schedules.create': ['operate'],
  'schedules.get': ['read'],
  'schedules.list': ['read'],
  'schedules.delete': ['operate'],
  'schedules.pause': ['operate'],
  'schedules.resume': ['operate'],
  'schedules.trigger': ['operate'],
  'schedules.backfill': ['operate'],
  'operations.create': ['operate'],
  'operations.cancel': ['operate'],
  'operations.replay': ['operate'],
  'operations.get': ['read'],
  'operations.list': ['read'],
  'operations.pause': ['operate'],
  'operations.resume': ['operate'],
  'operations.stop': ['operate'],
  // What an address is told leaves the deployment, and addresses may hold secrets of their owners.
  'webhooks.put': ['operate'],
  'webhooks.create': ['operate'],
  'webhooks.get': ['operate'],
  'webhooks.list': ['operate'],
  'webhooks.delete': ['operate'],
  'webhooks.setState': ['operate'],
  'webhooks.rotateSecret': ['operate'],
  'webhooks.listDeliveries': ['operate'],
  'webhooks.redeliver': ['operate'],
  'events.read': ['read'],
  'events.listen': ['read', 'submit', 'work'],
  'maintenance.describe': anyScope,
  'keyring.list': ['admin'],
  'keyring.add': ['admin'],
  'keyring.retire': ['admin'],
  'access.createToken': ['admin'],
  'access.listTokens': ['admin'],
  'access.revoke': ['admin'],
  'access.putNamespace': ['admin'],
  'access.listNamespaces': ['admin'],
  'audit.list': ['admin'],
}

/** Those that a waitpoint's token opens too. */
const byWaitpointToken: ReadonlySet<string> = new Set(['suspensions.deliverSignal'])

interface RouteConfig {
  readonly scopes: readonly TokenScope[]
  readonly takesWaitpointToken: boolean
}

/** What a route of the operation is registered with. Throws where the table has no row. */
export function routeConfig(operation: string): RouteConfig {
  const scopes = routeScopes[operation]
  if (scopes === undefined) throw new Error(`${operation} has no row in the table of scopes`)
  return { scopes, takesWaitpointToken: byWaitpointToken.has(operation) }
}

/** Whether what it does is an operator's action, which goes into the audit log. */
export function isAudited(operation: string, method: string): boolean {
  const { scopes } = routeConfig(operation)
  return method !== 'GET' && scopes.every((scope) => scope === 'operate' || scope === 'admin')
}
