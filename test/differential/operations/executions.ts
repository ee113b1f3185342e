import {
  countGroupings,
  type ExecutionId,
  type ExecutionSubmission,
  type ParentLink,
  type PublicState,
  publicStates,
} from '@flowfabric/core'
import { isQueuedWith } from '../../model/explain-facts.js'
import type { Chooser } from '../chooser.js'
import { mintSolo, mintUnknown } from '../minting.js'
import { type Call, kinds, lanes, type Play, type World } from '../world.js'
import { withNext } from './claims.js'
import { choosePayload, choosePriority, chooseSpec } from './spec.js'

/** An execution that was submitted, or, now and then, one that nobody has. */
export function chooseExecution(c: Chooser, world: World): ExecutionId {
  const known = c.among(world.executions)
  return known === undefined || c.rarely(25) ? mintUnknown(world.minting) : known
}

/** The caller's namespace, or, now and then, one to which the object doesn't belong. */
export const chooseNamespace = (c: Chooser, world: World) => (c.rarely(12) ? world.foreign : world.namespace)

/** Of an id that may be gone by now, and then is new again. */
const placeOfKnown = 7

export function submit(c: Chooser, world: World): Call | Play {
  const { namespace } = world
  const firstKey = c.below(3)
  // Items of a batch are carried out in no promised order, so none of them is about what another one is about.
  const known = c.rarely(8) ? c.among(world.executions) : undefined
  const items: ExecutionSubmission[] = Array.from({ length: 1 + c.below(3) }, (_, i) => {
    const lane = c.of(lanes)
    const fresh = mintSolo(world.minting, namespace, lane)
    const isAgain = i === 0 && known !== undefined
    const id = isAgain ? known : c.rarely(40) ? mintUnknown(world.minting, 9_999) : fresh
    const key = c.rarely(4) ? { idempotencyKey: `key-${(firstKey + i) % 3}` } : {}
    return {
      ...chooseSpec(c, world, { id, lane, kind: c.of(kinds), place: isAgain ? placeOfKnown : i }),
      ...key,
      ...chooseParent(c, world),
    }
  })
  return withNext(c, world, {
    text: `executions.submit ${JSON.stringify(items.map(({ id, lane, kind, idempotencyKey }) => [id, lane, kind, idempotencyKey]))}`,
    on: (backend, _, next) => backend.executions.submit({ namespace, items, next }),
    keep: (answers) => {
      for (const item of (
        answers.get('model') as { items?: readonly { outcome: string; id?: ExecutionId }[] }
      ).items ?? []) {
        if (item.outcome === 'accepted' && item.id !== undefined) world.executions.push(item.id)
      }
    },
  })
}

/** Now and then another execution has called it. */
export function chooseParent(c: Chooser, world: World): { readonly parent?: ParentLink } {
  if (!c.rarely(4)) return {}
  return { parent: { id: chooseExecution(c, world), detached: c.rarely(3) } }
}

export function get(c: Chooser, world: World): Call {
  const params = { namespace: chooseNamespace(c, world), id: chooseExecution(c, world) }
  return { text: `executions.get ${params.id}`, on: (backend) => backend.executions.get(params) }
}

export function getResult(c: Chooser, world: World): Call {
  const ids = [chooseExecution(c, world), chooseExecution(c, world)]
  const namespace = chooseNamespace(c, world)
  return {
    text: `executions.getResult ${ids}`,
    on: (backend) => backend.executions.getResult({ namespace, ids: [...new Set(ids)] }),
  }
}

function chooseFilter(c: Chooser, world: World) {
  const states: PublicState[] = c.below(2) === 0 ? [] : [c.of(publicStates), c.of(publicStates)]
  const flowId = c.rarely(3) ? c.among(world.flows) : undefined
  return {
    ...(c.rarely(3) ? { lane: c.of(lanes) } : {}),
    ...(c.rarely(3) ? { kind: c.of(kinds) } : {}),
    ...(states.length === 0 ? {} : { states: [...new Set(states)] }),
    ...(flowId === undefined ? {} : { flowId }),
    ...(c.rarely(4) ? { tags: { 'team.name': 'blue' } } : {}),
    ...chooseEnd(c, world),
  }
}

/** Bounds of the time at which something ended. */
export function chooseEnd(c: Chooser, world: World): { endedFromMs?: number; endedBeforeMs?: number } {
  const nowMs = world.model.store.clock.nowMs()
  return {
    ...(c.rarely(6) ? { endedFromMs: nowMs - c.below(20_000) } : {}),
    ...(c.rarely(8) ? { endedBeforeMs: nowMs - c.below(5_000) } : {}),
  }
}

/** All pages, each store along its own cursors. */
export function list(c: Chooser, world: World): Call {
  const filter = chooseFilter(c, world)
  const limit = 1 + c.below(5)
  const { namespace } = world
  const broken = c.rarely(12)
  return {
    text: `executions.list ${JSON.stringify(filter)} by ${limit}${broken ? ', with a broken cursor' : ''}`,
    on: async (backend) => {
      const pages: unknown[] = []
      let cursor: string | undefined = broken ? 'broken' : undefined
      do {
        const page = await backend.executions.list({ namespace, filter, limit, cursor })
        pages.push(page.items)
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { outcome: 'listed', pages }
    },
  }
}

export function count(c: Chooser, world: World): Call {
  const filter = { ...chooseFilter(c, world), ...(c.rarely(8) ? { createdFromMs: -1.5 } : {}) }
  const namespace = chooseNamespace(c, world)
  const by = c.rarely(2) ? c.of(countGroupings) : undefined
  return {
    text: `executions.count ${JSON.stringify(filter)} by ${by}`,
    on: (backend) => backend.executions.count({ namespace, filter, by }),
  }
}

export function cancel(c: Chooser, world: World): Call {
  const graceMs = c.rarely(3) ? c.of([5_000, 60_000]) : 0
  const params = { namespace: chooseNamespace(c, world), id: chooseExecution(c, world), graceMs }
  return {
    text: `executions.cancel ${params.id} in ${graceMs}`,
    on: (backend) => backend.executions.cancel(params),
  }
}

export function replay(c: Chooser, world: World): Call {
  const id = chooseExecution(c, world)
  const params = {
    namespace: chooseNamespace(c, world),
    id,
    ...(c.rarely(3) ? { input: choosePayload(c, 'forked') } : {}),
  }
  return { text: `executions.replay ${id}`, on: (backend) => backend.executions.replay(params) }
}

export function hold(c: Chooser, world: World): Call {
  const params = { namespace: chooseNamespace(c, world), id: chooseExecution(c, world) }
  return { text: `executions.hold ${params.id}`, on: (backend) => backend.executions.hold(params) }
}

export function release(c: Chooser, world: World): Call {
  const held = [...world.model.store.executions.values()].filter(
    (x) => x.namespace === world.namespace && x.held,
  )
  const id = (c.rarely(3) ? undefined : c.among(held)?.id) ?? chooseExecution(c, world)
  const params = { namespace: chooseNamespace(c, world), id }
  return { text: `executions.release ${params.id}`, on: (backend) => backend.executions.release(params) }
}

export function changePriority(c: Chooser, world: World): Call {
  const id = chooseExecution(c, world)
  const priority = c.rarely(8) ? 9_001 : choosePriority(c, world.places.get(id) ?? 0)
  const params = { namespace: chooseNamespace(c, world), id, priority }
  return {
    text: `executions.changePriority ${params.id} to ${priority}`,
    on: (backend) => backend.executions.changePriority(params),
  }
}

export function setTags(c: Chooser, world: World): Call {
  const set: Record<string, string> = c.rarely(8) ? { bad: 'tag' } : { 'team.name': c.of(['blue', 'red']) }
  const params = {
    namespace: chooseNamespace(c, world),
    id: chooseExecution(c, world),
    ...(c.rarely(3) ? { remove: ['team.name'] } : { set }),
  }
  return { text: `executions.setTags ${params.id}`, on: (backend) => backend.executions.setTags(params) }
}

export function explainFacts(c: Chooser, world: World): Call {
  const params = { namespace: chooseNamespace(c, world), id: chooseExecution(c, world) }
  return {
    text: `executions.explainFacts ${params.id}`,
    on: async (backend) => {
      const facts = await backend.executions.explainFacts(params)
      return { ...facts, ahead: withoutTwins(world, params.id, facts.ahead) }
    },
  }
}

/**
 * What one call starts is in no promised order, and ticks of schedules have all the same priority (see `schedules`): of
 * those with the same score none need be ahead, and all may be.
 */
function withoutTwins({ model }: World, id: ExecutionId, ahead: number): number | string {
  const x = model.store.executions.get(id)
  const queued = [...model.store.executions.values()].filter(
    (other) => x !== undefined && other !== x && isQueuedWith(other, x),
  )
  const before = queued.filter(({ score }) => Number(score) < Number(x?.score)).length
  const twins = queued.filter(({ score }) => score === x?.score).length
  return twins > 0 && before <= ahead && ahead <= before + twins ? `${before} and of ${twins} some` : ahead
}
