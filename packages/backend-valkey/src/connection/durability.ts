import { engineError } from '@flowfabric/core'
import type { Address } from './address.js'
import { createChanges } from './changes.js'
import type { Command, Reply } from './command.js'
import { keepConnected } from './line.js'
import type { Node } from './node.js'
import type { ConnectionSettings, DurabilityOptions } from './options.js'
import { openSocket, type Socket } from './socket.js'

/** Waits until what a node has answered cannot be lost with that node alone. */
export interface Settler {
  /**
   * Resolves when everything that the process of that `runId` answered before is where the option asks for it. Rejects with
   * `timed_out` and `mayHaveCommitted` when that was not reached in time, or cannot be told because the node has ended, was
   * restarted or is no primary any more.
   */
  settle(node: Node, runId: string, slot: number): Promise<void>
  /** Closes the connections to nodes that are not named. */
  keep(names: ReadonlySet<string>): void
  close(): Promise<void>
}

/**
 * A tiny write to a key of the slot. It has to be carried out even when the store is full, and to change something every
 * time: what changes nothing is not replicated, and there would be nothing to wait for.
 */
export type MarkCommand = (slot: number) => Command

interface Waiter {
  readonly runId: string
  readonly slot: number
  resolve(): void
  reject(why: string): void
}

interface Rounds {
  join(runId: string, slot: number): Promise<void>
  close(): Promise<void>
}

/**
 * The servers wait for the last write of the connection that asks, so a connection of its own writes first: its place in
 * the node's history is behind everything that was answered. A connection that waits is not read, so two waits can't
 * overlap; what comes during one shares the next.
 */
export function createSettler(
  settings: ConnectionSettings,
  durability: DurabilityOptions,
  mark: MarkCommand,
): Settler {
  const roundsByNode = new Map<string, Rounds>()
  return {
    settle({ name, address }, runId, slot) {
      let rounds = roundsByNode.get(name)
      if (rounds === undefined) {
        rounds = createRounds(address, settings, durability, mark)
        roundsByNode.set(name, rounds)
      }
      return rounds.join(runId, slot)
    },
    keep(names) {
      for (const [name, rounds] of roundsByNode) {
        if (names.has(name)) continue
        roundsByNode.delete(name)
        void rounds.close()
      }
    },
    async close() {
      await Promise.all([...roundsByNode.values()].map((rounds) => rounds.close()))
    },
  }
}

function createRounds(
  address: Address,
  settings: ConnectionSettings,
  durability: DurabilityOptions,
  mark: MarkCommand,
): Rounds {
  let waiting: Waiter[] = []
  let isRunning = false
  let isClosed = false
  const changes = createChanges()
  const line = keepConnected({
    open: (signal) => openSocket(address, settings, signal),
    onChange: changes.announce,
    retryForMs: settings.retryForMs,
  })

  const reach = async (): Promise<Socket | undefined> => {
    const endsAt = performance.now() + durability.timeoutMs
    for (;;) {
      const leftMs = endsAt - performance.now()
      if (line.socket !== undefined || isClosed || leftMs <= 0) return line.socket
      await changes.wait(leftMs)
    }
  }

  const run = async (): Promise<void> => {
    isRunning = true
    while (waiting.length > 0) {
      const socket = await reach()
      const round = waiting
      waiting = []
      await settleRound(socket, round, line.fault?.message ?? 'it is not connected yet')
    }
    isRunning = false
  }

  const settleRound = async (
    socket: Socket | undefined,
    round: readonly Waiter[],
    absence: string,
  ): Promise<void> => {
    const present = round.filter(({ runId }) => runId === socket?.facts.runId)
    // The name may lead to another server by now, and this connection still to the one before.
    if (present.length === 0) socket?.destroy()
    const last = present.at(-1)
    const failure =
      socket === undefined || last === undefined
        ? undefined
        : await waitOn(socket, mark(last.slot), durability, settings.callTimeoutMs)
    for (const waiter of round) {
      if (socket === undefined) waiter.reject(absence)
      else if (!present.includes(waiter)) waiter.reject('it was restarted meanwhile')
      else if (failure !== undefined) waiter.reject(failure)
      else waiter.resolve()
    }
  }

  return {
    join: (runId, slot) =>
      new Promise((resolve, reject) => {
        const refuse = (why: string) =>
          reject(
            engineError(
              'timed_out',
              `What was done is not as durable as asked for: ${why}`,
              { node: `${address.host}:${address.port}` },
              { mayHaveCommitted: true },
            ),
          )
        waiting.push({ runId, slot, resolve, reject: refuse })
        // What is answered in the same tick waits together.
        if (!isRunning) process.nextTick(() => isRunning || run())
      }),
    async close() {
      isClosed = true
      changes.announce()
      await line.close()
    },
  }
}

/** Why it was not reached, or `undefined`. */
async function waitOn(
  socket: Socket,
  mark: Command,
  { aof, replicas, timeoutMs }: DurabilityOptions,
  callTimeoutMs: number,
): Promise<string | undefined> {
  const limitMs = 2 * timeoutMs + callTimeoutMs
  const checks: Promise<string | undefined>[] = [socket.send(mark, callTimeoutMs).then(() => undefined)]
  if (replicas !== undefined) {
    const wait = socket.send(['WAIT', replicas, timeoutMs], limitMs)
    checks.push(wait.then((count) => isShort('replicas have it', count, replicas)))
  }
  if (aof !== undefined) {
    const wait = socket.send(['WAITAOF', aof.local, aof.replicas, timeoutMs], limitMs)
    checks.push(
      wait.then((reply) => {
        const [local, remote] = Array.isArray(reply) ? (reply as readonly Reply[]) : []
        return (
          isShort('servers of its own have it on disk', local, aof.local) ??
          isShort('replicas have it on disk', remote, aof.replicas)
        )
      }),
    )
  }
  const outcomes = await Promise.allSettled(checks)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') return messageOf(outcome.reason)
    if (outcome.value !== undefined) return outcome.value
  }
  return undefined
}

function isShort(what: string, count: Reply | undefined, needed: number): string | undefined {
  const reached = typeof count === 'number' ? count : 0
  return reached >= needed ? undefined : `${reached} of ${needed} ${what}`
}

function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}
