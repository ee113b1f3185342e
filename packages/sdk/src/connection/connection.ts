import {
  type ClientBackend,
  defaultNamespace,
  type GetExecution,
  type Namespace,
  parseNamespace,
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
}

/** Answers why an execution does not run; what it answers is the engine's. */
export type Explain = (params: GetExecution) => Promise<unknown>

/** The roles that both sides use: what a server offers. */
export interface ServerBackend extends WorkerBackend, ClientBackend {
  readonly attempts: WorkerBackend['attempts']
  readonly flows: ClientBackend['flows']
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
      close: () => undefined,
    }
  return { ...connectHttp(connect, namespace), namespace }
}
