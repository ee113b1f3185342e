/**
 * What ends a call early: its caller, its time, or the closing of the connection. Made by hand, since composed signals and
 * their timeouts outlive their calls, and cost as much as the rest of a small one.
 */
export class CallEnd {
  readonly #controller = new AbortController()
  readonly #caller: AbortSignal | undefined
  readonly #timer: NodeJS.Timeout
  isTimedOut = false

  constructor(caller: AbortSignal | undefined, timeoutMs: number) {
    this.#caller = caller
    this.#timer = setTimeout(this.#expire, timeoutMs)
    if (caller?.aborted) this.abort()
    else if (caller !== undefined) listen(caller, this.abort)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  readonly abort = (): void => this.#controller.abort()

  /** Its time begins anew. */
  prolong(): void {
    this.#timer.refresh()
  }

  /** The call is over. */
  release(): void {
    clearTimeout(this.#timer)
    if (this.#caller !== undefined) stopListening(this.#caller, this.abort)
  }

  readonly #expire = (): void => {
    this.isTimedOut = true
    this.abort()
  }
}

interface Listening {
  readonly aborts: Set<() => void>
  readonly abortAll: () => void
}

/** One listener for all calls under a signal: Node warns of more than ten, and a signal may be that of many calls. */
const listening = new WeakMap<AbortSignal, Listening>()

function listen(signal: AbortSignal, abort: () => void): void {
  const known = listening.get(signal)
  if (known !== undefined) {
    known.aborts.add(abort)
    return
  }
  const aborts = new Set([abort])
  const abortAll = () => {
    for (const each of aborts) each()
  }
  listening.set(signal, { aborts, abortAll })
  signal.addEventListener('abort', abortAll)
}

function stopListening(signal: AbortSignal, abort: () => void): void {
  const known = listening.get(signal)
  known?.aborts.delete(abort)
  if (known === undefined || known.aborts.size > 0) return
  listening.delete(signal)
  signal.removeEventListener('abort', known.abortAll)
}
