/** Bounds in time of an execution. Absent means none. All in ms. */
export interface Timeouts {
  /** Schedule-to-close, from when the execution first becomes eligible; ends it as `expired`. */
  readonly deadlineMs?: number | undefined
  /** Start-to-close of one attempt, active time only; ends the attempt, then the retry policy decides. */
  readonly attemptTimeoutMs?: number | undefined
  /** Schedule-to-start, from when the execution first becomes eligible to its first claim; ends it as `expired`. */
  readonly queueTtlMs?: number | undefined
}
