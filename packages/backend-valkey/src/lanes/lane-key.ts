import type { LaneId, Namespace } from '@flowfabric/core'

/** How a lane is named over all namespaces; names hold no slash. */
export function laneKeyOf(namespace: Namespace, lane: LaneId): string {
  return `${namespace}/${lane}`
}

export function splitLaneKey(key: string): { readonly namespace: Namespace; readonly name: LaneId } {
  const slash = key.indexOf('/')
  return { namespace: key.slice(0, slash) as Namespace, name: key.slice(slash + 1) as LaneId }
}
