import type { EngineView, FoundationBackend } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import type { Call, World } from '../world.js'

/** How long a store remembers one that was silent is its own: those that are told of were there a minute ago. */
const rememberedMs = 60_000

export function heartbeat(c: Chooser, world: World): Call {
  const params = {
    engineId: c.of(world.engines),
    label: c.of(['host:1', 'host:2']),
    ...(c.rarely(4) ? { goodbye: true } : {}),
    ...(c.rarely(3) ? { aliveMs: c.rarely(3) ? 0.5 : c.of([15_000, 5_000]) } : {}),
  }
  return {
    text: `engines.heartbeat ${JSON.stringify(params)}`,
    on: async ({ engines }) => {
      const answer = await engines.heartbeat(params)
      // One that was forgotten meanwhile begins anew.
      const own = answer.engines.filter(isOwn(world)).map((engine) => ({ ...engine, startedAtMs: null }))
      return { ...answer, engines: own }
    },
  }
}

export function list(_c: Chooser, world: World): Call {
  return {
    text: 'engines.list',
    on: async ({ engines, maintenance }: FoundationBackend) => {
      const { outcome, engines: listed } = await engines.list()
      const sinceMs = (await maintenance.serverTimeMs()) - rememberedMs
      return {
        outcome,
        engines: listed
          .filter((engine) => isOwn(world)(engine) && engine.lastSeenAtMs > sinceMs)
          .map((engine) => ({ ...engine, startedAtMs: null })),
      }
    },
  }
}

/** Others on the same store have their own. */
const isOwn =
  ({ engines }: World) =>
  ({ engineId }: EngineView) =>
    engines.includes(engineId)
