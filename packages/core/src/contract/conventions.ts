import type { EngineError } from '../errors/index.js'
import type { Namespace } from '../names.js'
import type { PartitionTag } from '../partitions/index.js'

/**
 * Shared shapes of the contract.
 *
 * Every operation takes one params object and answers a named outcome. What a correct caller can meet because of
 * timing or load is an outcome; what it never sends, and what the store could not do, is a thrown `EngineError`.
 * In a batch each item has its own outcome, and one bad item leaves its neighbours unharmed.
 *
 * What is called atomic is one step in one partition. "One round trip" is one call to each partition that is concerned,
 * all sent together: a store that keeps its partitions in one place needs only one. What a call reads of several
 * partitions is exact in each of them, as of a moment of its own.
 */

/** A payload: opaque to the engine. */
export type Bytes = Uint8Array

/** Opaque position of a listing; absent at the start, `null` at the end. */
export type Cursor = string

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly nextCursor: Cursor | null
}

export interface PageRequest {
  readonly cursor?: Cursor | undefined
  /** 1…1000, default 100. */
  readonly limit?: number | undefined
}

/** The caller's namespace: an object of another one is `not_found`. */
export interface Scoped {
  readonly namespace: Namespace
}

/** The namespaces that a worker may touch. */
export interface WorkerScoped {
  readonly namespaces: readonly Namespace[]
}

/** An item of a batch that was refused as bad input, or could not be carried out; nothing was changed by it. */
export interface ItemError {
  readonly outcome: 'error'
  readonly error: EngineError
}

/** What each scanner operation takes. */
export interface ScanRequest {
  readonly partition: PartitionTag
  /** How many items one call handles at most. */
  readonly max: number
}

/** What each scanner operation answers. */
export interface ScanResult<Item> {
  readonly items: readonly Item[]
  /** Store time at which this partition next has such work, as far as is known. */
  readonly nextDueAtMs?: number | undefined
  /** Whether the call stopped at `max` with work left. */
  readonly more: boolean
}

/** A recorded error of a handler, or of the engine on its behalf. */
export interface Failure {
  /** Word for policies (`nonRetryable`): `error`, `timeout`, `validation`, or the user's own. */
  readonly category: string
  readonly message: string
  /** Opaque detail for people and clients, such as a stack. */
  readonly details?: string | undefined
}
