import { type EngineError, engineError, isEngineError } from '@flowfabric/core'
import type { Socket } from './socket.js'

/** A connection that is opened again whenever it ends. */
export interface Line {
  /** The connection, while there is one. */
  readonly socket: Socket | undefined
  /** Why there is none: what the last try to open one met. */
  readonly fault: EngineError | undefined
  /** Ends the connection; a new one is opened, to wherever the name leads by then. */
  reopen(): void
  close(): Promise<void>
}

export interface LineOptions {
  /** Ends the try when the signal is given. */
  open(signal: AbortSignal): Promise<Socket>
  /** Called for every new connection, before anybody else sees it. */
  onOpen?(socket: Socket): void
  /** Called when a connection was opened, when it ended, and when none could be opened. */
  onChange(): void
  /** How long calls that find no connection wait for one. */
  readonly retryForMs: number
}

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 2_000

/** Never gives up: whoever waits for the connection has a limit of its own. */
export function keepConnected({ open, onOpen, onChange, retryForMs }: LineOptions): Line {
  let socket: Socket | undefined
  let fault: EngineError | undefined
  const closing = new AbortController()
  const { signal } = closing
  let isReopening = false
  let cutPause = () => {}

  const pause = (waitMs: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs)
      cutPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const serve = async (opened: Socket): Promise<void> => {
    socket = opened
    fault = undefined
    onOpen?.(opened)
    onChange()
    await opened.ended
    socket = undefined
    // One that we ended ourselves is no trouble of the server's.
    if (!isReopening) fault = engineError('store_unreachable', `The connection to ${opened.name} has ended`)
    isReopening = false
  }

  const run = async (): Promise<void> => {
    for (let tries = 0; !signal.aborted; tries += 1) {
      try {
        const opened = await open(signal)
        if (signal.aborted) opened.destroy()
        else await serve(opened)
        tries = 0
      } catch (failure) {
        fault = isEngineError(failure) ? failure : engineError('internal_error', String(failure))
      }
      if (signal.aborted) break
      onChange()
      await pause(pauseAfter(tries, retryForMs))
    }
  }
  const running = run()

  return {
    get socket() {
      return socket
    },
    get fault() {
      return fault
    },
    reopen() {
      isReopening = socket !== undefined
      socket?.destroy()
    },
    close() {
      closing.abort()
      cutPause()
      socket?.destroy()
      return running
    },
  }
}

/** Half of it by chance: many processes that lost the same server don't come back at the same moment. */
function pauseAfter(tries: number, retryForMs: number): number {
  // A call that comes when the server is back must not have given up before the next try.
  const longestUseful = Math.max(FIRST_PAUSE_MS, retryForMs / 2)
  const longest = Math.min(LONGEST_PAUSE_MS, longestUseful, FIRST_PAUSE_MS * 2 ** tries)
  return longest * (0.5 + Math.random() / 2)
}
