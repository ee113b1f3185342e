import {
  type ClientBackend,
  defaultNamespace,
  type GetExecution,
  type Namespace,
  parseNamespace,
  type WorkerBackend,
} from '@flowfabric/core'

import { connectHttp } from './http/connect-http.js'
import type { HttpConnectOptions } from './http/http-connect-options.js'

/**
 * Where the engine is: a server's address, or an object with the contract's roles in this process, such as
 * `createEmbedded(…).backend`. What a client or a worker does is the same for both.
 */
export type Connect<Backend> = HttpConnectOptions | InProcessConnect<Backend>

export interface InProcessConnect<Backend> {
  readonly backend: Backend
  /** Default `default`. */
  readonly namespace?: string | undefined
}

/** The roles that a client uses, and `explain` where the connection offers it. */
export interface ClientConnectionBackend extends ClientBackend {
  readonly explain?: ((params: GetExecution) => Promise<unknown>) | undefined
}

/** The roles that both sides use: what a server offers. */
export interface ServerBackend extends WorkerBackend, ClientConnectionBackend {
  readonly attempts: WorkerBackend['attempts']
  readonly flows: ClientConnectionBackend['flows']
  readonly events: ClientConnectionBackend['events']
}

/** An open connection. */
export interface Connection<Backend> {
  readonly backend: Backend
  readonly namespace: Namespace
  /** Ends what the connection itself holds; a backend of this process stays open. */
  close(): void
}

/** Opens nothing yet: the first call does. */
export function openConnection<Backend>(connect: Connect<Backend>): Connection<Backend | ServerBackend> {
  const namespace = connect.namespace === undefined ? defaultNamespace : parseNamespace(connect.namespace)
  if ('backend' in connect) return { backend: connect.backend, namespace, close: () => undefined }
  return { ...connectHttp(connect, namespace), namespace }
}
