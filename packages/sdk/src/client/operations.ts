import { setTimeout as pause } from 'node:timers/promises'
import {
  type ExecutionFilter,
  mintOperationId,
  type Operation,
  type OperationWork,
  type Page,
  type PageRequest,
  parseOperationId,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import type { ClientCore } from './client-core.js'

export interface BulkOptions {
  /** Why, for the record. */
  readonly reason?: string | undefined
  /** An id of your own (UUID): a repeat under it begins nothing. */
  readonly id?: string | undefined
}

/** A filter that says which ends are to be undone. */
export type EndedFilter = ExecutionFilter & { readonly states: NonNullable<ExecutionFilter['states']> }

export interface WaitOptions {
  /** Called with each look at it. */
  readonly onProgress?: ((operation: Operation) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Durable bulk operations of the client's namespace: they go on whatever becomes of who began them. */
export interface BulkWork {
  /** Cancel all that match and were accepted by now. Throws `operation_conflict` where the id is that of other work. */
  cancel(filter: ExecutionFilter, options?: BulkOptions): Promise<Operation>
  /** Run again all that match and have ended by now. Throws as `cancel`. */
  replay(filter: EndedFilter, options?: BulkOptions): Promise<Operation>
  /** Throws `operation_not_found`. */
  get(id: string): Promise<Operation>
  /** Newest first. */
  list(params?: PageRequest): Promise<Page<Operation>>
  /** Whether it ran before. Throws `operation_not_found`. */
  pause(id: string, reason?: string): Promise<boolean>
  /** Whether it was paused before. Throws `operation_not_found`. */
  resume(id: string, reason?: string): Promise<boolean>
  /** Whether it had not ended before. What is done stays. Throws `operation_not_found`. */
  stop(id: string, reason?: string): Promise<boolean>
  /** Until it is completed or stopped. Throws `operation_not_found`. */
  wait(id: string, options?: WaitOptions): Promise<Operation>
}

export function createBulkWork({ backend, namespace }: ClientCore): BulkWork {
  const { operations } = backend
  const named = (id: string) => ({ namespace, operationId: parseOperationId(id) })

  const create = async (work: OperationWork, { id }: BulkOptions): Promise<Operation> => {
    // Minted before the first try, so that a repeat of a lost call means the same.
    const params = { ...named(id ?? mintOperationId()), work }
    const answer = await callSafely(() => operations.create(params))
    if (answer.outcome === 'operation_conflict') throw refusalError(answer, `operation ${params.operationId}`)
    return answer.operation
  }

  const get = async (id: string) => (await callSafely(() => operations.get(named(id)))).operation

  return {
    cancel: (filter, options = {}) => create({ kind: 'cancel', filter, reason: options.reason }, options),
    replay: (filter, options = {}) => create({ kind: 'replay', filter, reason: options.reason }, options),
    get,
    list: (params = {}) => callSafely(() => operations.list({ namespace, ...params })),
    pause: async (id, reason) =>
      (await callSafely(() => operations.pause({ ...named(id), reason }))).outcome === 'paused',
    resume: async (id, reason) =>
      (await callSafely(() => operations.resume({ ...named(id), reason }))).outcome === 'resumed',
    stop: async (id, reason) =>
      (await callSafely(() => operations.stop({ ...named(id), reason }))).outcome === 'stopped',

    async wait(id, { onProgress, signal } = {}) {
      for (let pauseMs = FIRST_LOOK_MS; ; pauseMs = Math.min(pauseMs * 2, LOOK_MS_MAX)) {
        const operation = await get(id)
        onProgress?.(operation)
        if (operation.endedAtMs !== null) return operation
        await pause(pauseMs, undefined, { signal })
      }
    },
  }
}

const FIRST_LOOK_MS = 50
const LOOK_MS_MAX = 1_000
