import { type ClaimRequest, limits } from '@flowfabric/core'
import type { Catalog, LaneEntry } from '../db/catalog.js'

/** What a claim asks: the lanes that it names, as far as they exist, and the routes of theirs that the worker serves. */
export interface ServedRoutes {
  readonly lanes: readonly LaneEntry[]
  /** At most as many as one claim may ask. */
  readonly routeIds: readonly number[]
  readonly routeLaneIds: readonly number[]
  /** Some hold work that names quotas or budgets. */
  readonly hasLines: boolean
}

type Served = Pick<ClaimRequest, 'namespaces' | 'lanes' | 'kinds' | 'capabilities'>

export interface RouteSelector {
  select(request: Served): ServedRoutes
}

interface Remembered {
  readonly version: number
  readonly lanes: readonly LaneEntry[]
  readonly routeIds: readonly number[]
  readonly routeLaneIds: readonly number[]
  readonly hasLines: boolean
  offset: number
}

const remembersMax = 256

/** Chooses routes from the process's catalogue. A worker asks for the same again and again, so the choice is remembered. */
export function createRouteSelector(catalog: Catalog): RouteSelector {
  const remembered = new Map<string, Remembered>()
  return {
    select(request) {
      const key = keyOf(request)
      let known = remembered.get(key)
      if (known === undefined || known.version !== catalog.version) {
        known = choose(catalog, request)
        if (remembered.size >= remembersMax) remembered.clear()
        remembered.set(key, known)
      }
      return turn(known)
    },
  }
}

function choose(catalog: Catalog, { namespaces, lanes: names, kinds, capabilities }: Served): Remembered {
  const kindSet = new Set<string>(kinds)
  const advertised = new Set(capabilities)
  const lanes = namespaces.flatMap((namespace) =>
    names.flatMap((name) => catalog.laneNamed(namespace, name) ?? []),
  )
  const routes = lanes.flatMap(({ id }) =>
    catalog
      .routesOf(id)
      .filter((route) => kindSet.has(route.kind) && route.capabilities.every((each) => advertised.has(each))),
  )
  return {
    version: catalog.version,
    lanes,
    routeIds: routes.map(({ id }) => id),
    routeLaneIds: routes.map(({ lane }) => lane.id),
    hasLines: routes.some(({ keyed }) => keyed),
    offset: 0,
  }
}

/** More routes than one claim may ask take turns. */
function turn(known: Remembered): ServedRoutes {
  const { lanes, routeIds, routeLaneIds, hasLines } = known
  if (routeIds.length <= limits.routesPerClaimMax) return { lanes, routeIds, routeLaneIds, hasLines }
  const start = known.offset % routeIds.length
  known.offset = start + limits.routesPerClaimMax
  return { lanes, routeIds: cut(routeIds, start), routeLaneIds: cut(routeLaneIds, start), hasLines }
}

function cut(list: readonly number[], start: number): readonly number[] {
  const end = start + limits.routesPerClaimMax
  return end <= list.length
    ? list.slice(start, end)
    : [...list.slice(start), ...list.slice(0, end - list.length)]
}

/** Names hold neither of the separators. */
function keyOf({ namespaces, lanes, kinds, capabilities }: Served): string {
  return `${namespaces.join(',')}|${lanes.join(',')}|${kinds.join(',')}|${capabilities.join(',')}`
}
