import type { Hint, ListenParams } from '@flowfabric/core'
import { hintSchema } from '@flowfabric/core/wire'
import { backOff } from '../../calls/call-safely.js'
import { pause } from '../../calls/pause.js'
import { readEventData } from './event-stream.js'
import type { HttpCaller } from './http-caller.js'

const RECONNECT = { initialMs: 250, maxMs: 10_000 }

/**
 * Hints of a server, over one stream for all listeners, open while there is one. A stream that breaks is opened again;
 * what was missed meanwhile is covered by the re-checks of whoever waits.
 */
export class HintStream {
  readonly #caller: HttpCaller
  readonly #listeners = new Set<ListenParams['onHint']>()
  #open: AbortController | undefined

  constructor(caller: HttpCaller) {
    this.#caller = caller
  }

  listen({ onHint }: ListenParams): () => void {
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
        for await (const data of readEventData(await this.#caller.openStream('/hints', signal))) {
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
