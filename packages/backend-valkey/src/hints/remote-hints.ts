import type { Listening } from '../connection/listening.js'
import type { Connection } from '../connection/open.js'
import { originLength } from '../library/invoke.js'
import { type News, readMessage } from '../library/news.js'

export interface RemoteHintsParts {
  readonly connection: Connection
  readonly keyPrefix: string
  readonly db: number
  readonly origin: string
  readonly partitions: number
  /** What another process's call brought about in a flow partition. */
  onNews(partition: number, news: News): void
  /** Messages of that partition may have been missed. */
  onGap(partition: number): void
}

/** Hears what other processes' calls bring about, of all flow partitions. */
export function listenToOthers(parts: RemoteHintsParts): Listening {
  const { connection, keyPrefix, db, origin, partitions, onNews, onGap } = parts
  const own = Buffer.from(origin)
  const byChannel = new Map(
    Array.from({ length: partitions }, (_, index) => [`${keyPrefix}:idx:{fp:${index}}:hints:${db}`, index]),
  )
  const targets = [...byChannel.keys()].map((channel) => ({ channel, slot: connection.slotOf(channel) }))
  return connection.listen(targets, {
    onMessage(channel, message) {
      const index = byChannel.get(channel)
      if (index === undefined || message.subarray(0, originLength).equals(own)) return
      onNews(index, readMessage(message.subarray(originLength)))
    },
    onSubscribed(channels) {
      for (const channel of channels) {
        const index = byChannel.get(channel)
        if (index !== undefined) onGap(index)
      }
    },
  })
}
