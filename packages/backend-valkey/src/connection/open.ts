import { type EngineError, engineError } from '@flowfabric/core'
import { type Answer, type CallOptions, createCaller, type Route } from './call.js'
import { createChanges } from './changes.js'
import { noteOf, type ServerFacts } from './checks.js'
import { createCluster } from './cluster.js'
import type { Command, Reply } from './command.js'
import { createSettler, type MarkCommand } from './durability.js'
import { createListener, type Listener } from './listener.js'
import { createNodes, type Node } from './node.js'
import {
  type ConnectionOptions,
  type ConnectionSettings,
  type DurabilityOptions,
  readConnectionSettings,
} from './options.js'
import { slotOf } from './slots.js'
import { createStandalone } from './standalone.js'
import type { Topology } from './topology.js'
import { createUnderWay } from './under-way.js'

/** The way to the store: every command of this package goes through one of these. */
export interface Connection extends Pick<Listener, 'listen' | 'barrier'> {
  /**
   * Sends a command to the primary of a slot and answers what it replied. Rejects with an `EngineError`, or with a
   * `FunctionFault` where our library answered one. Commands of one tick to one node go out in one write.
   */
  call(slot: number, command: Command, options: CallOptions): Promise<Reply>
  /** The same for an answer that may have to be waited for until it is durable. */
  callDurably(slot: number, command: Command, options: CallOptions): Promise<DurableReply>
  /** To the node of that name. Rejects with `store_unreachable` also when it is a primary no more. */
  callOn(node: string, command: Command, options: CallOptions): Promise<Reply>
  /** To every primary. Rejects with the first failure, after all have ended. */
  callAll(command: Command, options: CallOptions): Promise<readonly NodeReply[]>
  /** The slot of a key, by its tag. */
  slotOf(key: string | Buffer): number
  /** The primaries as they are known now. */
  primaries(): readonly Primary[]
  /** What is asked for in `durability.for`; empty without the option. */
  readonly durable: ReadonlySet<DurabilityOptions['for'][number]>
  /** Lets calls that are under way end, but not try again; others are refused as `closed`. */
  close(): Promise<void>
}

export interface DurableReply {
  readonly reply: Reply
  /**
   * Resolves when what was answered is as durable as the option `durability` asks for, at once without the option. Rejects
   * with `timed_out` and `mayHaveCommitted`.
   */
  settle(): Promise<void>
}

export interface NodeReply {
  readonly node: string
  readonly reply: Reply
}

export interface Primary {
  readonly name: string
  readonly isConnected: boolean
  /** What it said of itself; absent before the first connection. */
  readonly facts: ServerFacts | undefined
  /** Worth telling people: that it is not a supported server. */
  readonly note: string | undefined
}

export interface ConnectionHooks {
  /** Needed with `durability`. */
  readonly mark?: MarkCommand | undefined
}

const CLOSED_TEXT = 'The connection to the store was closed'

/**
 * Connects to the store and checks all its primaries. Rejects with `invalid_configuration`, `store_unsupported`, or
 * `store_unreachable` after `connectTimeoutMs` or `retryForMs`, whichever is longer.
 */
export async function openConnection(
  options: ConnectionOptions,
  { mark }: ConnectionHooks = {},
): Promise<Connection> {
  const settings = readConnectionSettings(options)
  const { durability } = settings
  if (durability !== undefined && mark === undefined) {
    throw engineError('invalid_configuration', 'durability needs the command of a mark')
  }
  const settler = durability && mark && createSettler(settings, durability, mark)
  const changes = createChanges()
  const underWay = createUnderWay()
  let closing: Promise<void> | undefined

  // Connections open no sooner than the next tick, when all of these are there.
  const nodes = createNodes(settings, () => {
    topology.notice()
    changes.announce()
  })
  const onTopology = () => {
    changes.announce()
    listener.relocate()
    settler?.keep(new Set(nodes.all().map(({ name }) => name)))
  }
  const topology: Topology = settings.isCluster
    ? createCluster(settings, nodes, onTopology)
    : createStandalone(settings, nodes, onTopology)
  const listener = createListener(settings, topology)
  const closed = (): EngineError | undefined => closing && engineError('closed', CLOSED_TEXT)
  const send = createCaller({ settings, topology, nodes, changes, underWay, closed })

  const close = (): Promise<void> => {
    closing ??= (async () => {
      topology.close()
      // Those that wait for something see that it will not come.
      changes.announce()
      await underWay.idle()
      await Promise.all([nodes.close(), listener.close(), settler?.close()])
    })()
    return closing
  }
  const settle = async ({ node, runId }: Answer, slot: number): Promise<void> => {
    if (closing !== undefined) throw engineError('closed', CLOSED_TEXT, {}, { mayHaveCommitted: true })
    underWay.enter()
    try {
      await settler?.settle(node, runId, slot)
    } finally {
      underWay.leave()
    }
  }
  const toSlot =
    (slot: number): Route =>
    () =>
      topology.primaryOf(slot)
  const toNode =
    (name: string): Route =>
    () =>
      topology.primaries().find((node) => node.name === name) ?? refuseNode(name)

  const connection: Connection = {
    async call(slot, command, callOptions) {
      return (await send(toSlot(slot), command, callOptions)).reply
    },
    async callDurably(slot, command, callOptions) {
      const answer = await send(toSlot(slot), command, callOptions)
      return { reply: answer.reply, settle: () => settle(answer, slot) }
    },
    async callOn(name, command, callOptions) {
      return (await send(toNode(name), command, callOptions)).reply
    },
    async callAll(command, callOptions) {
      const names = topology.primaries().map(({ name }) => name)
      const calls = names.map((name) => connection.callOn(name, command, callOptions))
      await Promise.allSettled(calls)
      const replies = await Promise.all(calls)
      return names.map((node, place) => ({ node, reply: replies[place] ?? null }))
    },
    slotOf,
    primaries: () => topology.primaries().map(describePrimary),
    durable: new Set(durability?.for ?? []),
    listen: listener.listen,
    barrier: listener.barrier,
    close,
  }

  try {
    await untilConnected(settings, topology, nodes.all, changes.wait)
  } catch (fault) {
    await close()
    throw fault
  }
  return connection
}

/** Until every primary is connected and has passed its checks. */
async function untilConnected(
  { connectTimeoutMs, retryForMs }: ConnectionSettings,
  topology: Topology,
  allNodes: () => readonly Node[],
  wait: (waitMs: number) => Promise<void>,
): Promise<void> {
  const endsAt = performance.now() + Math.max(connectTimeoutMs, retryForMs)
  for (;;) {
    const primaries = topology.primaries()
    const missing = primaries.filter(({ socket }) => socket === undefined)
    if (primaries.length > 0 && missing.length === 0) return
    const faults = (primaries.length > 0 ? missing : allNodes()).flatMap(({ fault }) => fault ?? [])
    const final = faults.find(({ code }) => code !== 'store_unreachable')
    if (final !== undefined) throw final
    const leftMs = endsAt - performance.now()
    if (leftMs <= 0) throw faults[0] ?? engineError('store_unreachable', topology.absence)
    topology.suspect()
    await wait(Math.min(leftMs, 500))
  }
}

function describePrimary({ name, socket, facts }: Node): Primary {
  return { name, isConnected: socket !== undefined, facts, note: facts && noteOf(facts) }
}

function refuseNode(name: string): never {
  throw engineError('store_unreachable', `${name} is not a primary, or not any more`)
}
