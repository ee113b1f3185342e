import type { Namespace } from '../names.js'
import type { Page, PageRequest } from './conventions.js'

/** Who did what, and why: the actions of operators, kept for a year. */
export interface AuditOperations {
  /**
   * Record an action. It is recorded before it is carried out, without an outcome, and a second time with one: that
   * completes the entry and changes nothing else of it. An entry without an outcome is an action whose process died
   * before it could tell what came of it. Atomic, idempotent by `actionId`.
   */
  append(params: AppendAudit): Promise<{ readonly outcome: 'appended' | 'completed' | 'duplicate' }>

  /** Newest first. Throws `invalid_cursor`. */
  list(params: ListAudit): Promise<Page<AuditEntry>>
}

export interface AppendAudit {
  /** A UUID. */
  readonly actionId: string
  /** Where it was done; `null`: it concerns the whole deployment. */
  readonly namespace: Namespace | null
  /** The credential's subject. */
  readonly actor: string
  /** The operation, such as `executions.cancel`. */
  readonly action: string
  /** Ids and names of what it was done to. */
  readonly subjects: readonly string[]
  readonly reason: string | null
  /** What it came to: the operation's outcome, or the code of its error. `null`: not known yet. */
  readonly outcome: string | null
}

export interface AuditEntry extends AppendAudit {
  /** Store time of the first record of it. */
  readonly atMs: number
}

export interface ListAudit extends PageRequest {
  readonly namespace?: Namespace | undefined
  readonly actor?: string | undefined
  readonly subject?: string | undefined
}
