import { type Kind, type LaneId, limits, type Namespace } from '@flowfabric/core'
import type { Database, SqlValue } from './database.js'

/** A lane as the process knows it: its identity never changes, its settings as of the last look. */
export interface LaneEntry {
  readonly id: number
  readonly namespace: Namespace
  readonly name: LaneId
  readonly weight: number
  readonly concurrency: number | null
  readonly ageingMs: number | null
  readonly retentionMs: number
}

/** What a worker either serves or doesn't. Never changes and is never removed. */
export interface RouteEntry {
  readonly id: number
  readonly lane: LaneEntry
  readonly kind: Kind
  /** Sorted. */
  readonly capabilities: readonly string[]
  /** Its work names quotas or budgets. */
  readonly keyed: boolean
}

/**
 * Lanes and routes, kept in the process. Its version is that of the store's catalogue as of the last load: a claim that
 * finds another one in the store has the catalogue loaded again before it hands out anything.
 */
export interface Catalog {
  readonly version: number
  lane(id: number): Promise<LaneEntry>
  laneNamed(namespace: string, name: string): LaneEntry | undefined
  route(id: number): Promise<RouteEntry>
  /** The id of the route, made when it doesn't exist; `null` when its lane has as many as it may. */
  ensureRoute(spec: RouteSpec): Promise<RouteEntry | null>
  routesOf(laneId: number): readonly RouteEntry[]
  /** Loads what is new. Calls at the same time share one load. */
  refresh(): Promise<void>
}

export interface RouteSpec {
  readonly namespace: string
  readonly lane: string
  readonly kind: string
  readonly capabilities: readonly string[]
  readonly keyed: boolean
}

interface LaneRow {
  readonly id: number
  readonly namespace: Namespace
  readonly name: LaneId
  readonly weight: number
  readonly concurrency: number | null
  readonly ageing_ms: number | null
  readonly retention_ms: number
}

interface RouteRow {
  readonly id: number
  readonly lane_id: number
  readonly kind: Kind
  readonly capabilities: readonly string[]
  readonly keyed: boolean
}

export function createCatalog(db: Database): Catalog {
  let version = -1
  let lanes = new Map<number, LaneEntry>()
  let lanesByName = new Map<string, LaneEntry>()
  let routes = new Map<number, RouteEntry>()
  let routesByKey = new Map<string, RouteEntry>()
  let routesByLane = new Map<number, RouteEntry[]>()
  let loading: Promise<void> | undefined

  const load = async () => {
    // One statement, so that version, lanes and routes are of one moment.
    const [row] = await db.query<{ version: number; lanes: readonly LaneRow[]; routes: readonly RouteRow[] }>(
      `select coalesce((select catalog_version from ff.deployment), 0) as version,
        (select coalesce(json_agg(json_build_object('id', id, 'namespace', namespace, 'name', name, 'weight', weight,
          'concurrency', concurrency, 'ageing_ms', ageing_ms, 'retention_ms', retention_ms)), '[]') from ff.lane) as lanes,
        (select coalesce(json_agg(json_build_object('id', id, 'lane_id', lane_id, 'kind', kind,
          'capabilities', capabilities, 'keyed', keyed)), '[]') from ff.route) as routes`,
    )
    if (row === undefined) return
    lanes = new Map(row.lanes.map((each) => [each.id, toLane(each)]))
    lanesByName = new Map([...lanes.values()].map((lane) => [nameKey(lane.namespace, lane.name), lane]))
    routes = new Map()
    routesByKey = new Map()
    routesByLane = new Map()
    for (const each of row.routes) {
      const lane = lanes.get(each.lane_id)
      if (lane === undefined) continue
      const { id, kind, capabilities, keyed } = each
      const route: RouteEntry = { id, lane, kind, capabilities, keyed }
      routes.set(route.id, route)
      routesByKey.set(routeKey(lane.namespace, lane.name, kind, capabilities, keyed), route)
      const ofLane = routesByLane.get(lane.id)
      if (ofLane === undefined) routesByLane.set(lane.id, [route])
      else ofLane.push(route)
    }
    version = row.version
  }

  const refresh = () => {
    loading ??= load().finally(() => {
      loading = undefined
    })
    return loading
  }

  /** A load that began before the call may not know what the caller has just seen: then one more. */
  const find = async <Found>(look: () => Found | undefined, what: string): Promise<Found> => {
    let found = look()
    for (let loads = 0; found === undefined && loads < 2; loads += 1) {
      await refresh()
      found = look()
    }
    if (found === undefined) throw new Error(`The catalogue has no ${what}`)
    return found
  }

  const making = new Map<string, Promise<RouteEntry | null>>()
  const make = async (spec: readonly SqlValue[], key: string): Promise<RouteEntry | null> => {
    const [made] = await db.call<{ id: number | null }>(
      'select ff.ensure_route($1, $2, $3, $4::text[], $5, $6) as id',
      [...spec, limits.routesPerLaneMax],
    )
    if (made === undefined || made.id === null) return null
    return find(() => routesByKey.get(key), `route ${key}`)
  }

  return {
    get version() {
      return version
    },
    lane: (id) => find(() => lanes.get(id), `lane ${id}`),
    laneNamed: (namespace, name) => lanesByName.get(nameKey(namespace, name)),
    route: (id) => find(() => routes.get(id), `route ${id}`),
    async ensureRoute({ namespace, lane, kind, capabilities, keyed }) {
      const sorted = capabilities.length < 2 ? capabilities : [...new Set(capabilities)].sort()
      const key = routeKey(namespace, lane, kind, sorted, keyed)
      const known = routesByKey.get(key)
      if (known !== undefined) return known
      // A batch of the same route asks once.
      let asked = making.get(key)
      if (asked === undefined) {
        asked = make([namespace, lane, kind, sorted, keyed], key).finally(() => making.delete(key))
        making.set(key, asked)
      }
      return asked
    },
    routesOf: (laneId) => routesByLane.get(laneId) ?? [],
    refresh,
  }
}

function toLane(row: LaneRow): LaneEntry {
  return {
    id: row.id,
    namespace: row.namespace,
    name: row.name,
    weight: row.weight,
    concurrency: row.concurrency,
    ageingMs: row.ageing_ms,
    retentionMs: row.retention_ms,
  }
}

function nameKey(namespace: string, name: string): string {
  return `${namespace}/${name}`
}

/** Names hold neither slash nor comma. */
function routeKey(
  namespace: string,
  lane: string,
  kind: string,
  capabilities: readonly string[],
  keyed: boolean,
): string {
  return `${namespace}/${lane}/${kind}/${capabilities.join(',')}${keyed ? '/' : ''}`
}
