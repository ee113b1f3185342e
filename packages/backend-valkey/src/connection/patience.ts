import { type EngineError, engineError } from '@flowfabric/core'
import type { Verdict } from './fault.js'
import type { ConnectionSettings } from './options.js'

/** How long one call goes on trying, and what it says when it stops. */
export interface Patience {
  /** How long the next try may take, in ms. */
  readonly tryForMs: number
  /** Whether an answer was lost, so that the call may have been carried out. */
  readonly mayHaveCommitted: boolean
  /** How often the call has been sent on to another node, this time included. */
  countHop(): number
  /**
   * A try failed without doing anything. Answers how long to wait before the next one, in ms. Throws when there is to be
   * none: `store_unreachable`, or what was lost before.
   */
  hold(text: string): number
  /** An answer was lost. Throws `connection_lost` or `timed_out` when there is to be no other try. */
  lose(loss: Loss): void
  /** The error with which the call ends, told together with what was lost before it. */
  end(error: EngineError): EngineError
}

type Loss = Extract<Verdict, { kind: 'unknown' }>

const FIRST_PAUSE_MS = 10
const LONGEST_PAUSE_MS = 400
/** A try that is cut off after less says nothing about the server. */
const SHORTEST_TRY_MS = 1_000

/** Begins to count now, with a call's first failure. `mayRepeat`: also when it may have been carried out. */
export function createPatience(
  { callTimeoutMs, retryForMs }: ConnectionSettings,
  mayRepeat: boolean,
): Patience {
  const endsAt = performance.now() + retryForMs
  const leftMs = () => endsAt - performance.now()
  let pauses = 0
  let hops = 0
  let lost: Loss | undefined

  const lostError = (cause?: EngineError): EngineError | undefined =>
    lost && engineError(lost.code, lost.text, {}, { cause, mayHaveCommitted: true })

  return {
    get tryForMs() {
      return Math.min(callTimeoutMs, Math.max(SHORTEST_TRY_MS, leftMs()))
    },
    get mayHaveCommitted() {
      return lost !== undefined
    },
    countHop() {
      hops += 1
      return hops
    },
    hold(text) {
      const left = leftMs()
      if (left <= 0) {
        throw lostError() ?? engineError('store_unreachable', `${text}; given up after ${retryForMs} ms`)
      }
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** pauses)
      pauses += 1
      // A quarter by chance, so that those who failed together don't come back together.
      return Math.min(left, longest * (0.75 + Math.random() / 4))
    },
    lose(loss) {
      lost = loss
      // To a connection that is only behind, a repeat would be one thing more to do.
      if (!mayRepeat || loss.isSlow || leftMs() <= 0) throw lostError()
    },
    end(error) {
      if (lost === undefined) return error
      // Of "was not carried out" and "may have been", the second is what the caller has to know.
      if (error.kind === 'unavailable') return lostError(error) ?? error
      const { code, message, details } = error
      return engineError(code, message, details as never, { cause: error, mayHaveCommitted: true })
    },
  }
}
