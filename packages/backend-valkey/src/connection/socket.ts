import { Command as DriverCommand, Redis } from 'iovalkey'
import { type Address, nameOf } from './address.js'
import type { ServerFacts } from './checks.js'
import type { Command, Reply } from './command.js'
import { encodeCommand } from './encode-command.js'
import { TransportFault } from './fault.js'
import { greet } from './greet.js'
import type { ConnectionSettings } from './options.js'

/** One connection to one server, from its greeting to its end. It is never opened again: see `line.ts`. */
export interface Socket {
  readonly name: string
  readonly facts: ServerFacts
  readonly isOpen: boolean
  /**
   * Everything that is sent in one tick goes out in one write. Rejects with what the server answered, or with a
   * `TransportFault`.
   */
  send(command: Command, timeoutMs: number): Promise<Reply>
  /** Hands what arrives to a reader of the caller's instead of the driver's. Returns what writes. For Pub/Sub. */
  takeOver(onData: (bytes: Buffer) => void): (bytes: string) => void
  /** Resolves when it has ended, for whichever reason. Never rejects. */
  readonly ended: Promise<void>
  /** Ends it at once; what has no answer yet is rejected. */
  destroy(): void
}

/** How long the driver waits for the server's own goodbye. */
const GOODBYE_MS = 200
const KEEP_ALIVE_MS = 10_000

/**
 * Connects, authenticates, and checks the server. Rejects with an `EngineError`: `store_unreachable` when it may go better
 * later; everything else will stay as it is until somebody changes something.
 */
export async function openSocket(
  address: Address,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<Socket> {
  const socket = new DriverSocket(address, settings)
  const onAbort = () => socket.destroy()
  signal.addEventListener('abort', onAbort)
  try {
    await greet(socket, () => socket.connect(), settings)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  return socket
}

class DriverSocket implements Socket {
  readonly name: string
  readonly ended: Promise<void>
  facts!: ServerFacts
  readonly #client: Redis
  readonly #stallMs: number
  #isCorked = false
  #lastDataAt = 0
  #fault: Error | undefined

  constructor(address: Address, { tls, connectTimeoutMs, callTimeoutMs }: ConnectionSettings) {
    this.name = nameOf(address)
    this.#stallMs = callTimeoutMs
    this.#client = new Redis({
      host: address.host,
      port: address.port,
      // Both IPv4 and IPv6: the driver's default is IPv4 only.
      family: 0,
      ...(tls === undefined ? {} : { tls }),
      lazyConnect: true,
      connectTimeout: connectTimeoutMs,
      disconnectTimeout: GOODBYE_MS,
      keepAlive: KEEP_ALIVE_MS,
      // We authenticate and look at the server by ourselves: the driver prints to the console what goes wrong there.
      enableReadyCheck: false,
      enableOfflineQueue: false,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      // One client is one connection. A new one is a new client, so that no state of the driver's outlives it.
      retryStrategy: () => null,
    })
    // Without a listener the driver prints.
    this.#client.on('error', (fault) => {
      this.#fault ??= fault
    })
    this.ended = new Promise((resolve) => this.#client.once('end', () => resolve()))
  }

  async connect(): Promise<void> {
    try {
      await this.#client.connect()
    } catch (fault) {
      const { message } = this.#fault ?? (fault as Error)
      throw new TransportFault('unsent', message)
    }
    this.#client.stream.on('data', () => {
      this.#lastDataAt = performance.now()
    })
  }

  get isOpen(): boolean {
    return this.#client.status === 'ready' && this.#client.stream.writable
  }

  send(command: Command, timeoutMs: number): Promise<Reply> {
    if (!this.isOpen) return Promise.reject(new TransportFault('unsent', `Not connected to ${this.name}`))
    this.#cork()
    const sentAt = performance.now()
    return new Promise((resolve, reject) => {
      const encoded = new EncodedCommand(command)
      let isSettled = false
      const onLate = () => {
        // Timers run before sockets are read: a process that was busy itself has the answer waiting there.
        setImmediate(() => {
          if (!isSettled) reject(this.#giveUp(sentAt))
        })
      }
      // Counted in whole milliseconds it can be up to one early, by which a dead connection would pass for a slow one.
      const timer = setTimeout(onLate, timeoutMs + 1)
      const settle = () => {
        isSettled = true
        clearTimeout(timer)
      }
      this.#client.sendCommand(encoded)
      encoded.promise.then(
        (reply) => {
          settle()
          resolve(reply as Reply)
        },
        (fault: Error) => {
          settle()
          reject(this.#toFault(fault))
        },
      )
    })
  }

  takeOver(onData: (bytes: Buffer) => void): (bytes: string) => void {
    const { stream } = this.#client
    stream.removeAllListeners('data')
    stream.on('data', onData)
    return (bytes) => {
      this.#cork()
      stream.write(bytes)
    }
  }

  destroy(): void {
    if (this.#client.status === 'end') return
    this.#client.disconnect()
    // The driver only says goodbye, and waits for a server that may not be there.
    this.#client.stream?.destroy()
  }

  /** Every write of its own is a system call: 100 small commands in one write cost a third of the time. */
  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    const { stream } = this.#client
    stream.cork()
    process.nextTick(() => {
      this.#isCorked = false
      stream.uncork()
    })
  }

  /** Answers come in order. A connection that says nothing at all for so long is dead; one that says something is slow. */
  #giveUp(sentAt: number): TransportFault {
    const silentMs = performance.now() - Math.max(sentAt, this.#lastDataAt)
    const isStalled = silentMs >= this.#stallMs
    if (isStalled) this.destroy()
    return new TransportFault('timed_out', `${this.name} did not answer in time`, !isStalled && this.isOpen)
  }

  #toFault(fault: Error): Error {
    if (fault.name === 'ReplyError') {
      // The driver adds the command with all its arguments, which are people's payloads: not for a log.
      Reflect.deleteProperty(fault, 'command')
      return fault
    }
    return new TransportFault('connection_lost', `The connection to ${this.name} was lost: ${fault.message}`)
  }
}

/** A command that we put on the wire ourselves: the driver would make several pieces of each argument. */
class EncodedCommand extends DriverCommand {
  readonly #bytes: Buffer

  constructor(command: Command) {
    super(command[0], [], { replyEncoding: null })
    this.#bytes = encodeCommand(command)
  }

  override toWritable(): Buffer {
    return this.#bytes
  }
}
