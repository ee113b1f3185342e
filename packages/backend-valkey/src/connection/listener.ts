import { engineError } from '@flowfabric/core'
import { type Address, nameOf } from './address.js'
import type { Verdict } from './fault.js'
import {
  createReader,
  type ListenHandlers,
  type Listening,
  type ListenTarget,
  type Reader,
} from './listening.js'
import type { ConnectionSettings } from './options.js'
import { createSubscriber, type Subscriber } from './subscriber.js'
import type { Topology } from './topology.js'

export interface Listener {
  listen(targets: readonly ListenTarget[], handlers: ListenHandlers): Listening
  /**
   * Resolves when every message that was published before on the nodes in question has been handed over, of one slot's
   * channels or of all: with true. With false when that cannot be said, because a channel was not subscribed all the
   * time: then assume anything. Who serves the slot is known here as of the last call to it.
   */
  barrier(slot?: number): Promise<boolean>
  /** Slots may have other owners: move subscriptions after them. */
  relocate(): void
  close(): Promise<void>
}

/** A channel that somebody listens to. */
interface Channel extends ListenTarget {
  readonly readers: Set<Reader>
  home: Subscriber | undefined
  state: 'idle' | 'asked' | 'subscribed'
  /** How often it was subscribed. */
  times: number
  /** How often it was sent on since. */
  hops: number
}

/** So many redirections are followed at once; more of them mean that the nodes don't agree yet. */
const HOPS_MAX = 5
const RETRY_MS = 50
/** What a server refuses is not asked for at every turn. */
const REFUSED_RETRY_MS = 2_000

/** One connection to each primary whose channels are listened to. */
export function createListener(settings: ConnectionSettings, topology: Topology): Listener {
  const channels = new Map<string, Channel>()
  const subscribers = new Map<string, Subscriber>()
  const readers = new Set<Reader>()
  let retry: NodeJS.Timeout | undefined
  let retryAt = 0
  let isClosed = false

  const subscriberAt = (address: Address): Subscriber => {
    const name = nameOf(address)
    const known = subscribers.get(name)
    if (known !== undefined) return known
    const isHome = (channel: Channel | undefined) => channel?.home === subscriber
    const subscriber: Subscriber = createSubscriber(address, settings, {
      onOpen() {
        for (const channel of channels.values()) if (isHome(channel)) place(channel)
      },
      onLost() {
        for (const channel of channels.values()) if (isHome(channel)) channel.state = 'idle'
        topology.suspect()
      },
      onSubscribed(name) {
        const channel = channels.get(name)
        if (channel !== undefined && isHome(channel)) welcome(channel)
        else subscriber.unsubscribe(name)
      },
      onUnsubscribed(name, why) {
        const channel = channels.get(name)
        if (channel !== undefined && isHome(channel)) lose(channel, why)
      },
      onMessage(name, message) {
        for (const reader of channels.get(name)?.readers ?? []) reader.hand(name, message)
      },
    })
    subscribers.set(name, subscriber)
    return subscriber
  }

  /** Subscribes where the slot is served now, and nowhere else. */
  const place = (channel: Channel): void => {
    const primary = topology.primaryOf(channel.slot)
    // Better the old place than none.
    const home = primary === undefined ? channel.home : subscriberAt(primary.address)
    if (home !== channel.home) {
      if (channel.state !== 'idle') channel.home?.unsubscribe(channel.channel)
      channel.home = home
      channel.state = 'idle'
    }
    if (channel.state !== 'idle' || home === undefined || !home.isOpen) return
    channel.state = 'asked'
    home.subscribe(channel.channel)
  }

  const welcome = (channel: Channel): void => {
    channel.state = 'subscribed'
    channel.times += 1
    channel.hops = 0
    for (const reader of channel.readers) reader.announce(channel.channel)
  }

  const lose = (channel: Channel, why: Verdict | undefined): void => {
    channel.state = 'idle'
    // The slot went elsewhere: the server says where to when it is asked again.
    if (why === undefined) place(channel)
    else if (why.kind === 'moved') {
      const host = why.address.host === '' ? (channel.home?.address.host ?? '') : why.address.host
      topology.learn(channel.slot, { host, port: why.address.port })
      channel.hops += 1
      if (channel.hops <= HOPS_MAX) place(channel)
      else retryIn(RETRY_MS)
    } else {
      const isFinal = why.kind === 'refused'
      if (isFinal) for (const reader of channel.readers) reader.fail(why.error)
      topology.suspect()
      retryIn(isFinal ? REFUSED_RETRY_MS : RETRY_MS)
    }
  }

  const retryIn = (waitMs: number): void => {
    const at = performance.now() + waitMs
    if (isClosed || (retry !== undefined && retryAt <= at)) return
    clearTimeout(retry)
    retryAt = at
    retry = setTimeout(() => {
      retry = undefined
      for (const channel of channels.values()) place(channel)
    }, waitMs)
    retry.unref()
  }

  /** Whether everything that the slot's primary publishes comes here. */
  const isHeard = ({ state, home, slot }: Channel): boolean =>
    state === 'subscribed' && home?.runId === topology.primaryOf(slot)?.socket?.facts.runId

  return {
    listen(targets, handlers) {
      const reader = createReader(handlers, targets)
      readers.add(reader)
      if (isClosed) reader.fail(closedError())
      for (const target of isClosed ? [] : targets) {
        const channel: Channel = channels.get(target.channel) ?? {
          ...target,
          readers: new Set(),
          home: undefined,
          state: 'idle',
          times: 0,
          hops: 0,
        }
        channels.set(target.channel, channel)
        channel.readers.add(reader)
        if (channel.state === 'subscribed') reader.announce(channel.channel)
        else place(channel)
      }
      return {
        ready: reader.ready,
        stop() {
          readers.delete(reader)
          for (const { channel: name } of targets) {
            const channel = channels.get(name)
            if (channel?.readers.delete(reader) !== true || channel.readers.size > 0) continue
            channels.delete(name)
            channel.home?.unsubscribe(name)
          }
        },
      }
    },
    async barrier(slot) {
      const concerned = [...channels.values()].filter(
        (channel) => slot === undefined || channel.slot === slot,
      )
      const before = concerned.map(({ times }) => times)
      if (!concerned.every(isHeard)) return false
      const homes = new Set(concerned.flatMap(({ home }) => home ?? []))
      const drained = await Promise.all([...homes].map((home) => home.drain()))
      return (
        drained.every(Boolean) &&
        concerned.every((channel, place) => isHeard(channel) && channel.times === before[place])
      )
    },
    relocate() {
      if (isClosed) return
      for (const channel of channels.values()) {
        place(channel)
        // The name leads to another server by now, and this connection still to the one before.
        const runId = topology.primaryOf(channel.slot)?.socket?.facts.runId
        if (channel.home?.runId !== undefined && runId !== undefined && channel.home.runId !== runId) {
          channel.home.reopen()
        }
      }
      const homes = new Set([...channels.values()].map(({ home }) => home))
      for (const [name, subscriber] of subscribers) {
        if (homes.has(subscriber)) continue
        subscribers.delete(name)
        void subscriber.close()
      }
    },
    async close() {
      isClosed = true
      clearTimeout(retry)
      for (const reader of readers) reader.fail(closedError())
      await Promise.all([...subscribers.values()].map((subscriber) => subscriber.close()))
    },
  }
}

function closedError() {
  return engineError('closed', 'The connection was closed')
}
