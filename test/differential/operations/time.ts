import {
  type EngineEvent,
  type FoundationBackend,
  makePartitionTag,
  type PublicState,
} from '@flowfabric/core'
import { carryOut, settle } from '../../support/drive.js'
import type { Chooser } from '../chooser.js'
import type { Call, Side, World } from '../world.js'

/** The clocks of both, by the same. */
export function advanceTime(c: Chooser): Call {
  const byMs = c.of([1_000, 5_000, 30_000, 61_000])
  return {
    text: `maintenance.advanceTime ${byMs}`,
    on: async (backend) => {
      await backend.maintenance.advanceTime({ byMs })
      return { outcome: 'advanced', nowMs: await backend.maintenance.serverTimeMs() }
    },
  }
}

const kinds = ['outbox', 'timers', 'sibling_cancels', 'cancel_backlog'] as const

/** Carries out one kind of pending work until none is left, and lets the others wait. */
export function drive(c: Chooser, world: World): Call {
  const kind = c.of(kinds)
  const except = kinds.filter((each) => each !== kind)
  const partition = c.rarely(12) ? makePartitionTag('flow', 9_999) : undefined
  return {
    text: `drive ${kind}${partition === undefined ? '' : ' of a partition that there isn’t'}`,
    on: async (backend: FoundationBackend) => {
      if (partition !== undefined) await carryOut(backend, kind, { partition, max: 500 })
      await settle(backend, world.partitions, { except: [...except, 'projection'] })
      return { outcome: 'driven' }
    },
  }
}

/** A day and more goes by, and what is past its retention is removed. */
export function trimRetention(c: Chooser, world: World): Call {
  const max = c.rarely(6) ? 0 : 500
  return {
    text: `a day goes by, maintenance.trimRetention by ${max}`,
    on: async (backend: FoundationBackend) => {
      await backend.maintenance.advanceTime({ byMs: 90_000_000 })
      await settle(backend, world.partitions)
      for (const partition of world.partitions) {
        let more = true
        while (more) more = (await backend.maintenance.trimRetention({ partition, max })).more
      }
      return { outcome: 'trimmed' }
    },
  }
}

/** Reads on from where the last reading ended. */
export function readEvents(c: Chooser, world: World): Call {
  const isBroken = c.rarely(12)
  return {
    text: `events.read${isBroken ? ' with a broken cursor' : ''}`,
    on: async (backend, side) => {
      if (isBroken) await backend.events.read({ namespace: world.namespace, cursor: 'broken' })
      return { outcome: 'events', perObject: groupByObject(await readNews(world, backend, side)) }
    },
  }
}

/** What the feed says that was not read yet. */
async function readNews(world: World, backend: FoundationBackend, side: Side): Promise<readonly unknown[]> {
  const seen: unknown[] = []
  for (;;) {
    const cursor = world.cursors.get(side)
    const page = await backend.events.read({ namespace: world.namespace, cursor, limit: 1_000 })
    seen.push(...page.events.flatMap(withoutWakes))
    // An empty page may still have moved on past other namespaces' events.
    if (page.events.length === 0 && page.cursor === cursor) return seen
    world.cursors.set(side, page.cursor)
  }
}

/** When one that waits for room is woken, and how often in vain, is each store's own: it was waiting all the while. */
function withoutWakes(event: EngineEvent): readonly EngineEvent[] {
  if (event.type !== 'execution' || !isClaimableOrParked(event.previousState)) return [event]
  return isClaimableOrParked(event.publicState) ? [] : [{ ...event, previousState: 'waiting' }]
}

function isClaimableOrParked(state: PublicState | null): boolean {
  return state === 'waiting' || state === 'resumable' || state === 'rate_limited'
}

/** Order is promised per execution and along causes in a flow; between others it is each store's own. */
function groupByObject(events: readonly unknown[]): Record<string, unknown[]> {
  const groups: Record<string, unknown[]> = {}
  for (const event of events as EngineEvent[]) {
    const key =
      'executionId' in event
        ? `execution ${event.executionId}`
        : event.type === 'flow'
          ? `flow ${event.flowId}`
          : `budget ${event.budgetId}`
    groups[key] = [...(groups[key] ?? []), event]
  }
  return Object.fromEntries(Object.entries(groups).sort(([a], [b]) => (a < b ? -1 : 1)))
}
