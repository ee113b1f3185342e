import type { EngineError } from '@flowfabric/core'
import { type Address, nameOf } from './address.js'
import { INFO_SECTIONS, readFacts, type ServerFacts } from './checks.js'
import { type Command, type Reply, textOf } from './command.js'
import { TransportFault } from './fault.js'
import { keepConnected } from './line.js'
import type { ConnectionSettings } from './options.js'
import { openSocket, type Socket } from './socket.js'

/** One server, by the connection over which all calls to it go. */
export interface Node {
  /** `host:port`. */
  readonly name: string
  readonly address: Address
  /** The connection, while there is one. */
  readonly socket: Socket | undefined
  /** Why there is none; absent while the first try is under way. */
  readonly fault: EngineError | undefined
  /** What the server said of itself last. */
  readonly facts: ServerFacts | undefined
  /** Asks the server for the facts again, if it is connected. Never rejects: what it did not say stays as it was. */
  look(withinMs: number): Promise<void>
  /** Rejects with what the server answered, or with a `TransportFault`. `isAsking`: sent along with `ASKING`. */
  send(command: Command, timeoutMs: number, isAsking?: boolean): Promise<Reply>
  /** Ends the connection and opens a new one, to wherever the host's name leads by then. */
  reopen(): void
  close(): Promise<void>
}

/** Begins to connect at once; `onChange` tells of every connection that came or went, and of every failed try. */
function createNode(address: Address, settings: ConnectionSettings, onChange: () => void): Node {
  const name = nameOf(address)
  let facts: ServerFacts | undefined
  const line = keepConnected({
    open: (signal) => openSocket(address, settings, signal),
    onOpen(socket) {
      facts = socket.facts
    },
    onChange,
    retryForMs: settings.retryForMs,
  })

  return {
    name,
    address,
    get socket() {
      return line.socket
    },
    get fault() {
      return line.fault
    },
    get facts() {
      return facts
    },
    async look(withinMs) {
      const { socket } = line
      const info = await socket?.send(['INFO', ...INFO_SECTIONS], withinMs).catch(() => undefined)
      const text = textOf(info)
      // The answer of a connection that is no more would be older than what the next one said.
      if (text !== undefined && socket === line.socket) facts = readFacts(text)
    },
    send(command, timeoutMs, isAsking = false) {
      const { socket } = line
      if (socket === undefined)
        return Promise.reject(new TransportFault('unsent', `Not connected to ${name}`))
      // Its answer says nothing that the command's own does not say.
      if (isAsking) socket.send(['ASKING'], timeoutMs).catch(() => {})
      return socket.send(command, timeoutMs)
    },
    reopen: line.reopen,
    close: line.close,
  }
}

/** The nodes that this process has a connection to. */
export interface Nodes {
  /** The node, with a connection under way if it had none. */
  at(address: Address): Node
  all(): readonly Node[]
  /** Closes those that are not named, when the calls that are under way there have had their time. */
  keep(names: ReadonlySet<string>): void
  close(): Promise<void>
}

export function createNodes(settings: ConnectionSettings, onChange: () => void): Nodes {
  const nodes = new Map<string, Node>()
  const retired = new Map<Node, NodeJS.Timeout>()
  let isClosed = false

  return {
    at(address) {
      const name = nameOf(address)
      let node = nodes.get(name)
      if (node === undefined) {
        node = createNode(address, settings, onChange)
        nodes.set(name, node)
        if (isClosed) void node.close()
      }
      return node
    },
    all: () => [...nodes.values()],
    keep(names) {
      for (const node of [...nodes.values()]) {
        if (names.has(node.name)) continue
        nodes.delete(node.name)
        const end = () => {
          retired.delete(node)
          void node.close()
        }
        retired.set(node, setTimeout(end, settings.callTimeoutMs))
      }
    },
    async close() {
      isClosed = true
      for (const timer of retired.values()) clearTimeout(timer)
      await Promise.all([...nodes.values(), ...retired.keys()].map((node) => node.close()))
    },
  }
}
