import type { AttemptOperations, Handle, Namespace } from '@flowfabric/core'
import { limits } from '@flowfabric/core'

/** Reports of one attempt are sent at most this often. */
const GAP_MS = 100

interface Report {
  readonly percent: number
  readonly message: string | undefined
}

/**
 * Sends progress in batches, the newest report of each attempt only. It is told for people: a report that cannot be
 * sent is dropped, and nobody waits for it.
 */
export class ProgressReporter {
  readonly #attempts: Pick<AttemptOperations, 'recordProgress'>
  readonly #namespaces: readonly Namespace[]
  readonly #onDropped: (error: unknown) => void
  readonly #pending = new Map<Handle, Report>()
  #timer: NodeJS.Timeout | undefined
  #isSending = false

  constructor(
    attempts: Pick<AttemptOperations, 'recordProgress'>,
    namespaces: readonly Namespace[],
    onDropped: (error: unknown) => void,
  ) {
    this.#attempts = attempts
    this.#namespaces = namespaces
    this.#onDropped = onDropped
  }

  report(handle: Handle, report: Report): void {
    this.#pending.set(handle, report)
    if (this.#timer === undefined && !this.#isSending) this.#arm(0)
  }

  /** The attempt has ended: what was not sent is not wanted any more. */
  forget(handle: Handle): void {
    if (this.#pending.size > 0) this.#pending.delete(handle)
  }

  #arm(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#send()
    }, afterMs).unref()
  }

  async #send(): Promise<void> {
    const items = [...this.#pending].slice(0, limits.progressBatchMax)
    if (items.length === 0) return
    for (const [handle] of items) this.#pending.delete(handle)
    this.#isSending = true
    try {
      await this.#attempts.recordProgress({
        namespaces: this.#namespaces,
        items: items.map(([handle, { percent, message }]) => ({ handle, percent, message })),
      })
    } catch (error) {
      this.#onDropped(error)
    } finally {
      this.#isSending = false
      if (this.#pending.size > 0) this.#arm(GAP_MS)
    }
  }
}
