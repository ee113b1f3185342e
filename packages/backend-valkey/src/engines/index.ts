import {
  checkEngineHeartbeat,
  type EngineOperations,
  type EngineView,
  type InstanceId,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { homeTag } from '../maintenance/prepare.js'

const ALIVE_MS_DEFAULT = 15_000

/** The registry behind partition ownership, in the home partition. */
export function createEngines(ctx: ValkeyContext): EngineOperations {
  return {
    async heartbeat(params) {
      checkEngineHeartbeat(params)
      const { engineId, label, goodbye = false, aliveMs = ALIVE_MS_DEFAULT } = params
      const { reply } = await ctx.invoke({
        name: 'engines_beat',
        tag: homeTag,
        args: [engineId, label, goodbye, aliveMs],
      })
      const [nowMs, engines] = reply
      return { outcome: 'beating', engines: toEngines(engines), nowMs }
    },

    async list() {
      const { reply } = await ctx.invoke({ name: 'engines_list', tag: homeTag, args: [] })
      return { outcome: 'listed', engines: toEngines(reply) }
    },
  }
}

type Listed = readonly [engine: string, label: string, startedMs: number, seenMs: number]

function toEngines(rows: readonly Listed[]): readonly EngineView[] {
  return asList(rows)
    .map(([engineId, label, startedAtMs, lastSeenAtMs]) => ({
      engineId: engineId as InstanceId,
      label,
      startedAtMs,
      lastSeenAtMs,
    }))
    .sort((a, b) => (a.engineId < b.engineId ? -1 : 1))
}
