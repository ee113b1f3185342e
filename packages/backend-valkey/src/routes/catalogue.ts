import { createHash } from 'node:crypto'
import type { Kind, LaneId, Namespace } from '@flowfabric/core'

/** What a worker either serves or doesn't. Never changes. */
export interface Route {
  /** A hash of the rest: the same in every partition and process. */
  readonly rid: string
  readonly namespace: Namespace
  readonly lane: LaneId
  readonly kind: Kind
  /** Sorted, each once. */
  readonly capabilities: readonly string[]
  /** `<namespace>/<lane>`. */
  readonly laneKey: string
  /** How it is stored. */
  readonly text: string
}

export type RouteSpec = Pick<Route, 'namespace' | 'lane' | 'kind' | 'capabilities'>

/** Routes that this process has met, by id and by lane. Grows with the store's routes, never beyond. */
export interface Catalogue {
  /** Raised whenever a route is added, so that what was chosen from it can be chosen anew. */
  readonly version: number
  get(rid: string): Route | undefined
  /** The route of a submission, known from now on. */
  intern(spec: RouteSpec): Route
  /** All routes of a partition as it stores them: id, text, id, text, … */
  learn(tag: string, stored: readonly string[], version: number): void
  /** Up to which version the partition's routes are known. */
  versionIn(tag: string): number
  ofLane(laneKey: string): readonly Route[]
}

export function createCatalogue(): Catalogue {
  const byId = new Map<string, Route>()
  const byContent = new Map<string, Route>()
  const byLane = new Map<string, Route[]>()
  const versions = new Map<string, number>()
  let version = 0
  let last: { readonly spec: RouteSpec; readonly route: Route } | undefined

  const add = (route: Route): Route => {
    const known = byId.get(route.rid)
    if (known !== undefined) return known
    version += 1
    byId.set(route.rid, route)
    const siblings = byLane.get(route.laneKey)
    if (siblings === undefined) byLane.set(route.laneKey, [route])
    else siblings.push(route)
    return route
  }

  return {
    get version() {
      return version
    },
    get: (rid) => byId.get(rid),
    intern(spec) {
      // Most submissions say what the one before them said.
      if (last !== undefined && isSaid(last.spec, spec)) return last.route
      const { namespace, lane, kind, capabilities } = spec
      // Names hold no white space.
      const content = `${namespace} ${lane} ${kind} ${capabilities.join(',')}`
      let route = byContent.get(content)
      if (route === undefined) {
        route = add(makeRoute({ namespace, lane, kind, capabilities: [...new Set(capabilities)].sort() }))
        byContent.set(content, route)
      }
      last = { spec: { ...spec, capabilities: [...capabilities] }, route }
      return route
    },
    learn(tag, stored, itsVersion) {
      versions.set(tag, Math.max(versions.get(tag) ?? 0, itsVersion))
      for (let place = 1; place < stored.length; place += 2) {
        if (byId.has(stored[place - 1] ?? '')) continue
        const [namespace, lane, kind, capabilities] = JSON.parse(stored[place] ?? '[]')
        add(makeRoute({ namespace, lane, kind, capabilities }))
      }
    },
    versionIn: (tag) => versions.get(tag) ?? 0,
    ofLane: (laneKey) => byLane.get(laneKey) ?? [],
  }
}

function isSaid(known: RouteSpec, spec: RouteSpec): boolean {
  return (
    known.kind === spec.kind &&
    known.lane === spec.lane &&
    known.namespace === spec.namespace &&
    known.capabilities.length === spec.capabilities.length &&
    known.capabilities.every((each, index) => each === spec.capabilities[index])
  )
}

const RID_CHARS = 12

function makeRoute({ namespace, lane, kind, capabilities }: RouteSpec): Route {
  const text = JSON.stringify([namespace, lane, kind, capabilities])
  const rid = createHash('sha256').update(text).digest('base64url').slice(0, RID_CHARS)
  return { rid, namespace, lane, kind, capabilities, laneKey: `${namespace}/${lane}`, text }
}
