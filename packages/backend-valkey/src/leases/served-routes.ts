import { type ClaimRequest, limits } from '@flowfabric/core'
import type { Catalogue, Route } from '../routes/catalogue.js'

/** The routes that a claim serves, of those that this process knows. */
export interface Served {
  readonly routes: readonly Route[]
  readonly rids: ReadonlySet<string>
  /** Their lanes, each once, as `<namespace>/<lane>`. */
  readonly lanes: readonly string[]
  /** Where the next claim begins that may not ask for all of them, so that they take turns. */
  takeTurn(): number
}

export interface ServedRoutes {
  of(request: Pick<ClaimRequest, 'namespaces' | 'lanes' | 'kinds' | 'capabilities'>): Served
}

const REMEMBERS_MAX = 256

/** A worker asks for the same again and again, so the choice is remembered until another route is met. */
export function createServedRoutes(catalogue: Catalogue): ServedRoutes {
  const remembered = new Map<string, Served & { readonly version: number }>()
  return {
    of({ namespaces, lanes, kinds, capabilities }) {
      // Names hold neither of the separators.
      const key = `${namespaces.join(',')}|${lanes.join(',')}|${kinds.join(',')}|${capabilities.join(',')}`
      let known = remembered.get(key)
      if (known === undefined || known.version !== catalogue.version) {
        const kindSet = new Set<string>(kinds)
        const advertised = new Set(capabilities)
        const routes = namespaces
          .flatMap((namespace) => lanes.flatMap((lane) => catalogue.ofLane(`${namespace}/${lane}`)))
          .filter(
            (route) => kindSet.has(route.kind) && route.capabilities.every((each) => advertised.has(each)),
          )
        known = {
          version: catalogue.version,
          routes,
          rids: new Set(routes.map(({ rid }) => rid)),
          lanes: [...new Set(routes.map(({ laneKey }) => laneKey))],
          takeTurn: createTurns(),
        }
        if (remembered.size >= REMEMBERS_MAX) remembered.clear()
        remembered.set(key, known)
      }
      return known
    },
  }
}

function createTurns(): () => number {
  let turn = -limits.routesPerClaimMax
  return () => {
    turn += limits.routesPerClaimMax
    return turn
  }
}
