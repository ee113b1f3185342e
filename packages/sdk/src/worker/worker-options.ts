import type { WorkerBackend } from '@flowfabric/core'
import type { Connect } from '../connection/connection.js'
import type { Codec } from '../payload/codec.js'
import type { HandlerContext } from '../tasks/handler-context.js'
import type { AnyTask } from '../tasks/task.js'
import type { Logger } from './logger.js'
import type { WorkerObserver } from './worker-observer.js'

export interface WorkerOptions {
  readonly connect: Connect<WorkerBackend>
  /** Tasks with handlers: what this worker can do. */
  readonly tasks: readonly AnyTask[]
  /** Which lanes to take work from; default: those that the tasks name. */
  readonly lanes?: readonly string[] | undefined
  /** Which namespaces; default: the connection's. */
  readonly namespaces?: readonly string[] | undefined
  /** What this worker advertises; default: nothing. */
  readonly capabilities?: readonly string[] | undefined
  /** How many handlers run at once, default 16. */
  readonly concurrency?: number | undefined
  /**
   * How many more may wait here to be run; default: as many as run at once. Never more than a second of measured work.
   * With 0 nothing is asked for ahead either, however short runs are.
   */
  readonly prefetchMax?: number | undefined
  /** For people, stable over restarts; default: the host's name. */
  readonly workerId?: string | undefined
  /** Default 30 s; renewed long before. */
  readonly leaseTtlMs?: number | undefined
  /** Around every handler, the first one outermost: logging, tracing, rate limits. */
  readonly middleware?: readonly Middleware[] | undefined
  readonly logger?: Logger | undefined
  readonly observer?: WorkerObserver | undefined
  /** Default JSON. */
  readonly codec?: Codec | undefined
  /** Signals of the process that drain this worker, such as `['SIGTERM']`; default: none. */
  readonly drainOn?: readonly NodeJS.Signals[] | undefined
  /** How long `drain` lets handlers run on, default 30 s. */
  readonly drainGraceMs?: number | undefined
  /** Longer pauses give the lease back, default 10 s. */
  readonly sleepInPlaceMsMax?: number | undefined
  /** Above this lag of the event loop the worker takes on less, default 250 ms. */
  readonly lagMsMax?: number | undefined
  /** Heartbeats tell that this worker lives; default 10 s. */
  readonly heartbeatMs?: number | undefined
}

/** Runs around a handler; what it returns is the handler's result. */
export type Middleware = (
  context: HandlerContext<unknown, unknown>,
  next: () => Promise<unknown>,
) => Promise<unknown>
