import { type FlowId, type HintHub, makeExecutionId, type PartitionTag } from '@flowfabric/core'
import type { KnownLanes } from '../lanes/known-lanes.js'
import { splitLaneKey } from '../lanes/lane-key.js'
import type { ClaimMemory } from '../leases/claim-memory.js'
import type { News } from '../library/news.js'
import type { Catalogue } from '../routes/catalogue.js'
import type { ReadyMap } from './ready-map.js'

export interface NewsTargets {
  readonly hints: HintHub
  readonly catalogue: Catalogue
  readonly lanes: KnownLanes
  readonly claims: ClaimMemory
  /** Absent as long as nobody claims here. */
  readonly map: ReadyMap | undefined
}

/** Tells this process what a call, its own or another process's, brought about in a flow partition. */
export function spreadNews(targets: NewsTargets, partition: number, news: News): void {
  const { hints, catalogue, lanes, claims, map } = targets
  const tag = `fp:${partition}`
  map?.note(tag, news.edges, news.ready)
  if (news.serves !== null) claims.lose(news.serves)
  const woken = news.freed.filter((lane) => lanes.wake(lane))
  if (!hints.hasListeners) return
  const contractTag = `{${tag}}` as PartitionTag
  for (const [rid, count] of news.ready) {
    const route = catalogue.get(rid)
    if (count > 0 && route !== undefined) {
      hints.receive({ type: 'ready', namespace: route.namespace, lane: route.lane, count })
    }
  }
  for (const key of woken) {
    const { namespace, name } = splitLaneKey(key)
    hints.receive({ type: 'ready', namespace, lane: name, count: 1 })
  }
  if (news.dueAtMs !== null) hints.receive({ type: 'due', partition: contractTag, dueAtMs: news.dueAtMs })
  if (news.outbox) hints.receive({ type: 'outbox', partition: contractTag })
  for (const id of news.ended) {
    // A flow's id has a letter before it.
    const isFlow = id.length > UUID_CHARS
    hints.receive({ type: 'ended', id: isFlow ? (id.slice(1) as FlowId) : makeExecutionId(partition, id) })
  }
  for (const id of news.attention)
    hints.receive({ type: 'attention', executionId: makeExecutionId(partition, id) })
  for (const id of news.frames) hints.receive({ type: 'frames', executionId: makeExecutionId(partition, id) })
  if (news.lastEvent !== null) hints.receive({ type: 'events', partition: contractTag })
}

const UUID_CHARS = 36
