import type { Address } from './address.js'
import { judgeReplyError, type Verdict } from './fault.js'
import { keepConnected } from './line.js'
import type { ConnectionSettings } from './options.js'
import { createRespReader, encodeTexts, RespError, type RespValue } from './resp.js'
import { openSocket, type Socket } from './socket.js'

/** The Pub/Sub connection to one node. It keeps no list: what is to be subscribed is told anew with every connection. */
export interface Subscriber {
  readonly address: Address
  readonly isOpen: boolean
  /** Of the server that it is connected to. */
  readonly runId: string | undefined
  subscribe(channel: string): void
  unsubscribe(channel: string): void
  /** Resolves with true when everything that the server had sent before has been handed over; false: the connection is gone. */
  drain(): Promise<boolean>
  reopen(): void
  close(): Promise<void>
}

export interface SubscriberEvents {
  /** A new connection, with nothing subscribed. */
  onOpen(): void
  onLost(): void
  onSubscribed(channel: string): void
  /** The server took the subscription back, as it does when the slot moves away, or refused it. */
  onUnsubscribed(channel: string, why: Verdict | undefined): void
  onMessage(channel: string, message: Buffer): void
}

type Pending =
  | { readonly kind: 'subscribe'; readonly channel: string }
  | { readonly kind: 'unsubscribe'; readonly channel: string }
  | { readonly kind: 'drain'; resolve(isDrained: boolean): void }

/**
 * The driver only opens the connection. It takes every message that is not of Pub/Sub's three kinds for the answer to its
 * oldest command; but a Cluster unsubscribes by itself from a slot that moves away, and from then on every answer would
 * go to the wrong command.
 */
export function createSubscriber(
  address: Address,
  settings: ConnectionSettings,
  events: SubscriberEvents,
): Subscriber {
  let write: ((bytes: string) => void) | undefined
  let pending: Pending[] = []

  const send = (entry: Pending, ...words: readonly string[]): void => {
    if (write === undefined) return
    pending.push(entry)
    write(encodeTexts(...words))
  }

  const onReply = (value: RespValue): void => {
    if (value instanceof RespError) {
      const entry = pending.shift()
      if (entry?.kind === 'subscribe') events.onUnsubscribed(entry.channel, judgeReplyError(value.message))
      if (entry?.kind === 'drain') entry.resolve(false)
      return
    }
    const [kind, channel, message] = Array.isArray(value) ? value : [value]
    switch (String(kind)) {
      case 'smessage':
        if (Buffer.isBuffer(message)) events.onMessage(String(channel), message)
        return
      case 'ssubscribe':
        pending.shift()
        events.onSubscribed(String(channel))
        return
      case 'sunsubscribe': {
        const [oldest] = pending
        if (oldest?.kind === 'unsubscribe' && oldest.channel === String(channel)) pending.shift()
        else events.onUnsubscribed(String(channel), undefined)
        return
      }
      default: {
        // PONG, which comes as a list to a connection with subscriptions and as a text to one without.
        const entry = pending.shift()
        if (entry?.kind === 'drain') entry.resolve(true)
      }
    }
  }

  const attach = (socket: Socket): void => {
    const reader = createRespReader(onReply)
    write = socket.takeOver((bytes) => {
      try {
        reader.read(bytes)
      } catch {
        socket.destroy()
      }
    })
    const heartbeat = setInterval(() => void drain(), settings.callTimeoutMs)
    heartbeat.unref()
    void socket.ended.then(() => {
      clearInterval(heartbeat)
      write = undefined
      for (const entry of pending) if (entry.kind === 'drain') entry.resolve(false)
      pending = []
      events.onLost()
    })
    events.onOpen()
  }

  const drain = async (): Promise<boolean> => {
    const { socket } = line
    if (write === undefined || socket === undefined) return false
    // A connection on which nothing ever has to be answered may be long dead.
    const timer = setTimeout(() => socket.destroy(), settings.callTimeoutMs)
    const isDrained = await new Promise<boolean>((resolve) => send({ kind: 'drain', resolve }, 'PING'))
    clearTimeout(timer)
    return isDrained
  }

  const line = keepConnected({
    open: (signal) => openSocket(address, settings, signal),
    onOpen: attach,
    onChange: () => {},
    retryForMs: settings.retryForMs,
  })

  return {
    address,
    get isOpen() {
      return write !== undefined
    },
    get runId() {
      return line.socket?.facts.runId
    },
    subscribe: (channel) => send({ kind: 'subscribe', channel }, 'SSUBSCRIBE', channel),
    unsubscribe: (channel) => send({ kind: 'unsubscribe', channel }, 'SUNSUBSCRIBE', channel),
    drain,
    reopen: line.reopen,
    close: line.close,
  }
}
