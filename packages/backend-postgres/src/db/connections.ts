import { type EngineError, engineError } from '@flowfabric/core'
import type pg from 'pg'

/** A pool's connections, used as few at a time as keep up with the callers. */
export interface Connections {
  /** Served in order of arrival. Who is lent a connection gives it back. */
  lend(): Promise<pg.PoolClient>
  /** With the fault that broke it, if one did: then it is closed. */
  giveBack(client: pg.PoolClient, broken: Error | undefined): void
  /** Refuses whoever waits, and whoever comes. */
  close(): void
}

/** Connections that are used without hesitation: enough for what an engine does at the same time, in short statements. */
const WIDTH_MIN = 4
/** The default of `pg`'s own pool. */
const WIDTH_MAX_DEFAULT = 10
const LOOK_EVERY_MS = 25
/** Looks that found callers waiting, without a break, before one connection more is used. */
const LOOKS_MAX = 20
/** Looks in a row that found nothing given back. One may only tell that this process was busy with something else. */
const STUCK_LOOKS_MAX = 2

/**
 * A pool opens a connection whenever all others are busy, and so has its maximum after the first burst. But each costs the
 * server a process that prepares every statement for itself, some 50 ms of work, and takes items away from the batches
 * that others could have shared. So another is used only when those that are there don't keep up: callers waited for half
 * a second without a break, or nothing was given back for the time that a new one costs, as when locks are waited for.
 * When none is used any more, it begins with few again; what the pool then has open it closes by itself.
 */
export function createConnections(pool: pg.Pool): Connections {
  const widthMax = pool.options.max ?? WIDTH_MAX_DEFAULT
  const widthMin = Math.min(WIDTH_MIN, widthMax)
  let waiting: { readonly enter: () => void; readonly refuse: (error: EngineError) => void }[] = []
  let width = widthMin
  let lent = 0
  let looks = 0
  let stuckLooks = 0
  let givenBack = 0
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  /** At full width the pool's own queue and its time limit take over. */
  const mayLend = (): boolean => lent < width || width === widthMax

  const serveWaiting = (): void => {
    while (waiting.length > 0 && mayLend()) {
      lent += 1
      waiting.shift()?.enter()
    }
    if (waiting.length > 0) return
    clearInterval(timer)
    timer = undefined
  }

  const look = (): void => {
    looks += 1
    stuckLooks = givenBack === 0 ? stuckLooks + 1 : 0
    givenBack = 0
    if (stuckLooks === STUCK_LOOKS_MAX || looks === LOOKS_MAX) {
      width += 1
      looks = 0
      stuckLooks = 0
    }
    serveWaiting()
  }

  const enter = (): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.push({ enter: resolve, refuse: reject })
      serveWaiting()
      if (waiting.length === 0 || timer !== undefined) return
      looks = 0
      stuckLooks = 0
      givenBack = 0
      timer = setInterval(look, LOOK_EVERY_MS)
    })

  const leave = (): void => {
    lent -= 1
    givenBack += 1
    if (lent === 0 && waiting.length === 0) width = widthMin
    serveWaiting()
  }

  return {
    async lend() {
      if (isClosed) throw closedError()
      await enter()
      try {
        const client = await pool.connect()
        client.on('error', onLoss)
        return client
      } catch (fault) {
        leave()
        throw fault
      }
    },
    giveBack(client, broken) {
      client.off('error', onLoss)
      client.release(broken)
      leave()
    },
    close() {
      isClosed = true
      const refused = waiting
      waiting = []
      for (const { refuse } of refused) refuse(closedError())
      serveWaiting()
    },
  }
}

/**
 * The server may cut a connection while no statement runs on it, such as in the instant after one was answered. Without a
 * listener that would end the process; the next statement fails by it, and the pool throws it away.
 */
function onLoss(): void {}

function closedError(): EngineError {
  return engineError('closed', 'The backend was closed')
}
