import { chosenHints, type Hint, type HintType, type ListenParams } from '@flowfabric/core'
import { hintSchema } from '@flowfabric/core/wire'
import { backOff } from '../../calls/call-safely.js'
import { pause } from '../../calls/pause.js'
import { readEventData } from './event-stream.js'
import type { HttpCaller } from './http-caller.js'

const RECONNECT = { initialMs: 250, maxMs: 10_000 }

/** Hints of a server: one stream for all listeners that ask for the same types. */
export class HintStreams {
  readonly #caller: HttpCaller
  readonly #streams = new Map<string, HintStream>()

  constructor(caller: HttpCaller) {
    this.#caller = caller
  }

  listen(params: ListenParams): () => void {
    const { types } = params
    if (types?.length === 0) return () => {}
    const path = `/hints${formatTypes(types)}`
    const stream = this.#streams.get(path) ?? new HintStream(this.#caller, path)
    this.#streams.set(path, stream)
    // Also here: an older server tells of all.
    return stream.listen(chosenHints(params))
  }

  close(): void {
    for (const stream of this.#streams.values()) stream.close()
  }
}

function formatTypes(types: readonly HintType[] | undefined): string {
  return types === undefined
    ? ''
    : `?${new URLSearchParams([...types].sort().map((type): [string, string] => ['type', type]))}`
}

/**
 * Open while there is a listener. A stream that breaks is opened again; what was missed meanwhile is covered by the
 * re-checks of whoever waits.
 */
class HintStream {
  readonly #caller: HttpCaller
  readonly #path: string
  readonly #listeners = new Set<ListenParams['onHint']>()
  #open: AbortController | undefined

  constructor(caller: HttpCaller, path: string) {
    this.#caller = caller
    this.#path = path
  }

  listen(onHint: ListenParams['onHint']): () => void {
    // A function of its own, so that the same listener may come twice.
    const listener = (hint: Hint) => onHint(hint)
    this.#listeners.add(listener)
    if (this.#open === undefined) {
      this.#open = new AbortController()
      void this.#run(this.#open.signal)
    }
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.close()
    }
  }

  close(): void {
    this.#open?.abort()
    this.#open = undefined
  }

  async #run(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        for await (const data of readEventData(this.#caller.openStream(this.#path, signal))) {
          attempt = 0
          this.#publish(data)
        }
      } catch {
        // Hints are best effort: whether the server is away, or has none, the work goes on without them.
      }
      await pause(backOff(RECONNECT, Math.max(1, attempt)), signal)
    }
  }

  #publish(data: string): void {
    const read = hintSchema.safeParse(parseJson(data))
    // A newer server may send hints that this version does not know.
    if (read.success) for (const listener of this.#listeners) listener(read.data)
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
