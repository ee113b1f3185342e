import type { UpstreamResult } from '@flowfabric/core'
import { type Codec, decodePayload } from '../payload/codec.js'
import { parseListName, type UpstreamView } from '../tasks/upstream.js'

export type Views = Readonly<Record<string, UpstreamView<unknown> | readonly UpstreamView<unknown>[]>>

/** What was handed down, by name; results of a map as a list in its order. Payloads are decoded when they are read. */
export function readUpstream(upstream: readonly UpstreamResult[], codec: Codec): Views {
  const views: Record<string, UpstreamView<unknown> | UpstreamView<unknown>[]> = {}
  const lists = new Map<string, { readonly index: number; readonly view: UpstreamView<unknown> }[]>()
  for (const each of upstream) {
    const place = parseListName(each.as)
    const view = viewOf(each, codec)
    if (place === undefined) views[each.as] = view
    else {
      const list = lists.get(place.name) ?? []
      list.push({ index: place.index, view })
      lists.set(place.name, list)
    }
  }
  for (const [name, list] of lists)
    views[name] = list.sort((a, b) => a.index - b.index).map(({ view }) => view)
  return views
}

function viewOf({ satisfied, publicState, result }: UpstreamResult, codec: Codec): UpstreamView<unknown> {
  if (!satisfied) return { satisfied, state: publicState, result: null }
  let isRead = false
  let value: unknown
  return {
    satisfied,
    state: publicState,
    get result() {
      if (!isRead) {
        value = decodePayload(codec, result) ?? null
        isRead = true
      }
      return value
    },
  }
}
