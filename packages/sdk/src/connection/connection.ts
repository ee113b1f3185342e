import {
  type ClientBackend,
  defaultNamespace,
  type GetExecution,
  type Namespace,
  parseNamespace,
  type WaitpointId,
  type WaitpointTokens,
  type WebhookKeeper,
  type WorkerBackend,
} from '@flowfabric/core'
import type { Administration } from './administration.js'
import { connectHttp } from './http/connect-http.js'
import type { HttpConnectOptions } from './http/http-connect-options.js'

/**
 * Where the engine is: a server's address, or an object with the contract's roles in this process, such as
 * `createEmbedded(…).backend`. What a client or a worker does is the same for both.
 */
export type Connect<Backend> = HttpConnectOptions | InProcessConnect<Backend>

/** An engine of this process as a whole fits too: it has these fields. */
export interface InProcessConnect<Backend> {
  readonly backend: Backend
  readonly explain?: Explain | undefined
  /** Default `default`. */
  readonly namespace?: string | undefined
  /** Tokens of waitpoints, of the engine that the backend is of: without, they have none. */
  readonly waitpoints?: WaitpointTokens | undefined
  /** Webhooks with their secrets, of the engine that the backend is of: without, none can be made. */
  readonly webhooks?: WebhookKeeper | undefined
  /** Whose signals those of this connection are; over HTTP the credentials say so. Default: nobody's in particular. */
  readonly subject?: string | undefined
  /** Where a server of the same store is reached, for the addresses of waitpoints. Default: they have none. */
  readonly publicUrl?: string | undefined
}

/** What waitpoints are handed out with. */
export interface Links {
  readonly waitpoints: WaitpointTokens | undefined
  /** Where signals of a waitpoint are posted to. */
  readonly urlOf: (id: WaitpointId) => string | null
}

/** Answers why an execution does not run; what it answers is the engine's. */
export type Explain = (params: GetExecution) => Promise<unknown>

/** The roles that both sides use: what a server offers. */
export interface ServerBackend extends WorkerBackend, ClientBackend {
  readonly attempts: WorkerBackend['attempts']
  readonly flows: ClientBackend['flows']
  readonly suspensions: WorkerBackend['suspensions'] & ClientBackend['suspensions']
  readonly streams: WorkerBackend['streams'] & ClientBackend['streams']
  readonly budgets: WorkerBackend['budgets'] & ClientBackend['budgets']
  readonly quotas: WorkerBackend['quotas'] & ClientBackend['quotas']
  readonly events: ClientBackend['events']
}

/** An open connection. */
export interface Connection<Backend> {
  readonly backend: Backend
  readonly namespace: Namespace
  /** Where the connection offers it. */
  readonly explain: Explain | undefined
  readonly links: Links
  /** Where the connection offers them. */
  readonly webhooks: WebhookKeeper | undefined
  /** Whose signals these are, where no credentials say so. */
  readonly subject: string | null
  /** Of a server; who is in the engine's process has the roles themselves. */
  readonly admin: Administration | undefined
  /** Ends what the connection itself holds; a backend of this process stays open. */
  close(): void
}

/** Opens nothing yet: the first call does. */
export function openConnection<Backend>(connect: Connect<Backend>): Connection<Backend | ServerBackend> {
  const namespace = connect.namespace === undefined ? defaultNamespace : parseNamespace(connect.namespace)
  if ('backend' in connect)
    return {
      backend: connect.backend,
      explain: connect.explain,
      admin: undefined,
      namespace,
      links: { waitpoints: connect.waitpoints, urlOf: addressWaitpoints(connect.publicUrl) },
      webhooks: connect.webhooks,
      subject: connect.subject ?? null,
      close: () => undefined,
    }
  const { waitpoints, ...http } = connectHttp(connect, namespace)
  const urlOf = addressWaitpoints(connect.publicUrl ?? connect.url)
  return { ...http, namespace, subject: null, links: { waitpoints, urlOf } }
}

function addressWaitpoints(server: string | undefined): Links['urlOf'] {
  if (server === undefined) return () => null
  const base = new URL(server).href.replace(/\/+$/, '')
  return (id) => `${base}/v1/waitpoints/${encodeURIComponent(id)}/signal`
}
