import {
  type ClaimOutcome,
  engineError,
  type Namespace,
  type WaitpointTokens,
  type WebhookKeeper,
} from '@flowfabric/core'
import {
  mintWaitpointToken,
  openWaitpoint,
  putWebhook,
  rotateWebhookSecret,
  signalByToken,
  type WireOperation,
  wire,
} from '@flowfabric/core/wire'
import type { Administration } from '../administration.js'
import type { Explain, ServerBackend } from '../connection.js'
import { HintStreams } from './hint-stream.js'
import { HttpCaller } from './http-caller.js'
import type { HttpConnectOptions } from './http-connect-options.js'

/** The contract's roles over HTTP: what a client or a worker does with them is what it does in process. */
export function connectHttp(
  options: HttpConnectOptions,
  namespace: Namespace,
): {
  readonly backend: ServerBackend
  readonly explain: Explain
  readonly admin: Administration
  readonly waitpoints: WaitpointTokens
  readonly webhooks: WebhookKeeper
  readonly close: () => void
} {
  const caller = new HttpCaller(options, namespace)
  const hints = new HintStreams(caller)
  const { claim, ...leases } = bindRole(caller, wire.leases)
  const backend: ServerBackend = {
    executions: bindRole(caller, wire.executions),
    leases: { ...leases, claim: (params) => endQuietly(claim(params), params.signal) },
    attempts: bindRole(caller, wire.attempts),
    flows: bindRole(caller, wire.flows),
    suspensions: bindRole(caller, wire.suspensions),
    streams: bindRole(caller, wire.streams),
    budgets: bindRole(caller, wire.budgets),
    quotas: bindRole(caller, wire.quotas),
    lanes: { ...bindRole(caller, wire.lanes), syncCopies: refuseScan },
    schedules: bindRole(caller, wire.schedules),
    operations: bindRole(caller, wire.operations),
    webhooks: bindRole(caller, wire.webhooks),
    workers: { ...bindRole(caller, wire.workers), reapDead: refuseScan },
    events: { ...bindRole(caller, wire.events), listen: (params) => hints.listen(params) },
    maintenance: { describe: () => caller.call(wire.maintenance.describe, undefined) },
  }
  const explain: Explain = ({ namespace: asked, id }) =>
    caller.get('/executions/{id}/explain', { path: { id } }, { namespace: asked })
  const close = () => {
    hints.close()
    caller.close()
  }
  const waitpoints: WaitpointTokens = {
    open: (params) => caller.call(openWaitpoint, params),
    mint: (params) => caller.call(mintWaitpointToken, params),
    deliver: (params) => caller.call(signalByToken, params),
  }
  const webhooks: WebhookKeeper = {
    put: (params) => caller.call(putWebhook, params),
    rotateSecret: (params) => caller.call(rotateWebhookSecret, params),
  }
  return { backend, explain, admin: bindAdministration(caller), waitpoints, webhooks, close }
}

function bindAdministration(caller: HttpCaller): Administration {
  const { createToken, listTokens, revokeToken, putNamespace, listNamespaces } = bindRole(caller, wire.access)
  const { list, add, retire } = bindRole(caller, wire.keyring)
  return {
    keyring: { list: () => list(undefined), add, retire },
    tokens: { create: createToken, list: listTokens, revoke: revokeToken },
    namespaces: { put: putNamespace, list: listNamespaces },
    audit: bindRole(caller, wire.audit),
  }
}

type BoundRole<Role> = {
  readonly [Name in keyof Role]: Role[Name] extends WireOperation<infer Params, infer Answer>
    ? (params: Params) => Promise<Answer>
    : never
}

function bindRole<Role extends object>(caller: HttpCaller, role: Role): BoundRole<Role> {
  const operations: readonly [string, WireOperation<unknown, unknown>][] = Object.entries(role)
  const bound = operations.map(([name, operation]) => [
    name,
    (params: unknown) => caller.call(operation, params),
  ])
  return Object.fromEntries(bound) as BoundRole<Role>
}

/** A claim that its caller has ended has got nothing: what the server had leased by then, it hands on by itself. */
async function endQuietly(
  claim: Promise<ClaimOutcome>,
  signal: AbortSignal | undefined,
): Promise<ClaimOutcome> {
  try {
    return await claim
  } catch (error) {
    if (signal?.aborted) return { outcome: 'empty' }
    throw error
  }
}

/** Scanners run beside the store, never over HTTP. */
function refuseScan(): Promise<never> {
  return Promise.reject(engineError('invalid_configuration', 'Scanner operations are not offered over HTTP'))
}
