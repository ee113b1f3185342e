import type pg from 'pg'

/** A pool's connections, used as few at a time as keep up with the callers. */
export interface Connections {
  /** Served in order of arrival. Who is lent a connection gives it back. */
  lend(): Promise<pg.PoolClient>
  /** With the fault that broke it, if one did: then it is closed. */
  giveBack(client: pg.PoolClient, broken: Error | undefined): void
}

/** Connections that are used without hesitation: enough for what an engine does at the same time, in short statements. */
const WIDTH_MIN = 4
const LOOK_EVERY_MS = 50
/** Looks that found callers waiting, without a break, before one connection more is used. */
const LOOKS_MAX = 10

/**
 * A pool opens a connection whenever all others are busy, and so has its maximum after the first burst. But each costs the
 * server a process that prepares every statement for itself, some 50 ms of work, and takes items away from the batches
 * that others could have shared. So another is used only when those that are there don't keep up: callers waited for half
 * a second without a break, or nothing was given back for the time that a new one costs, as when locks are waited for.
 */
export function createConnections(pool: pg.Pool): Connections {
  const widthMax = pool.options.max
  const lowest = Math.min(WIDTH_MIN, widthMax)
  const waiting: (() => void)[] = []
  let width = lowest
  let lent = 0
  let looks = 0
  let givenBack = 0
  let timer: NodeJS.Timeout | undefined
  pool.on('remove', () => {
    width = Math.max(lowest, width - 1)
  })

  /** At full width the pool's own queue and its time limit take over. */
  const mayLend = (): boolean => lent < width || width === widthMax

  const serveWaiting = (): void => {
    while (waiting.length > 0 && mayLend()) {
      lent += 1
      waiting.shift()?.()
    }
    if (waiting.length > 0) return
    clearInterval(timer)
    timer = undefined
  }

  const look = (): void => {
    looks += 1
    if (givenBack === 0 || looks === LOOKS_MAX) {
      width += 1
      looks = 0
    }
    givenBack = 0
    serveWaiting()
  }

  const enter = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push(resolve)
      serveWaiting()
      if (waiting.length === 0 || timer !== undefined) return
      looks = 0
      givenBack = 0
      timer = setInterval(look, LOOK_EVERY_MS)
    })

  const leave = (): void => {
    lent -= 1
    givenBack += 1
    serveWaiting()
  }

  return {
    async lend() {
      await enter()
      try {
        return await pool.connect()
      } catch (fault) {
        leave()
        throw fault
      }
    },
    giveBack(client, broken) {
      client.release(broken)
      leave()
    },
  }
}
