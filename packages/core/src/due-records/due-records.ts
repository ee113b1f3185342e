import type { Namespace } from '../names.js'

/** A record's name, of a kind whose records are in the partition of the quota family that it hashes to. */
export interface DueName {
  readonly namespace: Namespace
  /** A UUID. */
  readonly id: string
}

/** A record as a store keeps it: texts that it does not look into, and what it finds them by. */
export interface DueRow extends DueName {
  readonly version: number
  readonly createdAtMs: number
  readonly dueAtMs: number | null
  readonly definition: string
  readonly progress: string
}

export interface DueWrite extends DueName {
  /** The version that it must be at; `null`: there must be none. */
  readonly expected: number | null
  readonly dueAtMs: number | null
  readonly progress: string
  /** Absent: it stays. A new one has one. */
  readonly definition?: string | undefined
  /** Of a new one. */
  readonly createdAtMs?: number | undefined
  /** Whoever finds the record as it was before does the same again, so that its answer waits for no durability. */
  readonly mayBeLost?: boolean | undefined
}

/** Where a page of a listing goes on: behind this one, newest first, then by id descending. */
export interface RecordPlace {
  readonly createdAtMs: number
  readonly id: string
}

/**
 * What a role needs of a store's records of its kind: by id, by who is due, by time. Every call is one step in one partition.
 */
export interface DueRecords {
  read(name: DueName): Promise<{ readonly nowMs: number; readonly row: DueRow | undefined }>

  /** `isWritten`: the record stood as expected. */
  write(change: DueWrite): Promise<{ readonly nowMs: number; readonly isWritten: boolean }>

  remove(params: DueName & { readonly expected: number }): Promise<boolean>

  /**
   * Those of a partition of the quota family that are due, or will be within so many ms, the longest due first, and when the
   * next of the others is.
   */
  due(params: {
    readonly partition: number
    readonly max: number
    readonly withinMs?: number | undefined
  }): Promise<{
    readonly nowMs: number
    readonly rows: readonly DueRow[]
    readonly nextDueAtMs: number | null
  }>

  /** Newest first. */
  list(params: {
    readonly namespace: Namespace
    readonly after: RecordPlace | undefined
    readonly limit: number
  }): Promise<readonly DueRow[]>
}
