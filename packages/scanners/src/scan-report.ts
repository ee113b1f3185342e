import type { ScanReport } from '@flowfabric/core'

/** Adds up what the calls of one pass answered. */
export class PassTally {
  processed = 0
  errors = 0
  more = false
  nextDueAtMs: number | undefined

  /** Takes the end of one call's answer: where the next due time is, and whether it stopped at its bound. */
  close(answer: { readonly nextDueAtMs?: number | undefined; readonly more: boolean }): void {
    this.more = answer.more
    this.nextDueAtMs = answer.nextDueAtMs
  }

  report(): ScanReport {
    return {
      processed: this.processed,
      errors: this.errors,
      more: this.more,
      nextDueAtMs: this.nextDueAtMs,
    }
  }
}
