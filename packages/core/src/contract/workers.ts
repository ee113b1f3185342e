import type { InstanceId } from '../ids/index.js'
import type { Kind, LaneId, Namespace, WorkerId } from '../names.js'
import type { ScanRequest, ScanResult, Scoped, WorkerScoped } from './conventions.js'

/** The registry of worker instances. It tells who is there; it decides nothing about leases. */
export interface WorkerOperations {
  /**
   * Announce an instance. A repeat of a living instance id hands back what that instance held, partition by partition: a
   * caller that dies meanwhile leaves the rest to `reapDead`, and to the leases' own time. Idempotent otherwise.
   */
  register(params: RegisterWorker): Promise<{ readonly outcome: 'registered'; readonly handedBack: number }>

  /**
   * Say that instances of one process live. `draining` is echoed to the worker, which then stops claiming. With `goodbye`
   * the instance is listed no more, and what it still holds is handed back before the answer, as by `register`. One round
   * trip without a goodbye.
   */
  heartbeat(params: WorkerHeartbeat): Promise<{
    readonly outcome: 'beating' | 'unknown_instance' | 'gone'
    readonly draining: boolean
  }>

  list(
    params: Scoped & { readonly lane?: LaneId | undefined },
  ): Promise<{ readonly outcome: 'listed'; readonly workers: readonly WorkerView[] }>

  /** Ask an instance to stop claiming. Throws `worker_not_found`. */
  drain(params: Scoped & { readonly instanceId: InstanceId }): Promise<{ readonly outcome: 'draining' }>

  /**
   * Remove instances that were silent for 30 s. Their leases run out by themselves; handed back are only those of a
   * goodbye, or a registration, that was cut short.
   */
  reapDead(
    params: ScanRequest,
  ): Promise<
    ScanResult<{ readonly outcome: 'removed'; readonly instanceId: InstanceId; readonly handedBack: number }>
  >
}

export interface RegisterWorker extends WorkerScoped {
  readonly workerId: WorkerId
  readonly instanceId: InstanceId
  readonly lanes: readonly LaneId[]
  readonly kinds: readonly Kind[]
  readonly capabilities: readonly string[]
  readonly concurrency: number
}

export interface WorkerHeartbeat extends WorkerScoped {
  readonly instanceId: InstanceId
  /** Attempts running now. */
  readonly active: number
  readonly goodbye?: boolean | undefined
}

export interface WorkerView {
  readonly workerId: WorkerId
  readonly instanceId: InstanceId
  readonly namespaces: readonly Namespace[]
  readonly lanes: readonly LaneId[]
  readonly kinds: readonly Kind[]
  readonly capabilities: readonly string[]
  readonly concurrency: number
  readonly active: number
  readonly draining: boolean
  readonly registeredAtMs: number
  readonly lastSeenAtMs: number
}
