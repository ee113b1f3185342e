import { makeExecutionId, mintUuid } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import type { Call, HandlePair, Play, World } from '../world.js'
import { withNext } from './claims.js'
import { chooseExecution, chooseNamespace } from './executions.js'
import { encode } from './spec.js'

/** A lease that was handed out once; now and then what never was one. */
function chooseHandle(c: Chooser, world: World): HandlePair {
  const recent = world.handles.slice(-6)
  const known = c.rarely(3)
    ? c.among(world.handles)
    : recent[recent.length - 1 - c.below(Math.max(1, recent.length))]
  if (known === undefined || c.rarely(30)) return { model: 'no handle', store: 'no handle' }
  return known
}

function chooseHandles(c: Chooser, world: World): HandlePair[] {
  return Array.from({ length: c.rarely(4) ? 2 : 1 }, () => chooseHandle(c, world))
}

const scope = (c: Chooser, world: World) => ({ namespaces: [c.rarely(30) ? world.foreign : world.namespace] })

const nameOf = (world: World, pairs: readonly HandlePair[]) =>
  pairs.map((pair) => `#${world.handles.indexOf(pair)}`).join(' ')

export function renew(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const leaseTtlMs = c.rarely(15) ? 1 : c.of([60_000, 1_000, 300_000])
  const scoped = scope(c, world)
  return {
    text: `leases.renew ${nameOf(world, pairs)} for ${leaseTtlMs}`,
    on: (backend, side) =>
      backend.leases.renew({ ...scoped, items: pairs.map((pair) => ({ handle: pair[side], leaseTtlMs })) }),
  }
}

export function complete(c: Chooser, world: World): Call | Play {
  const pairs = chooseHandles(c, world)
  const result = c.rarely(2) ? encode(`result ${c.below(3)}`) : null
  const scoped = scope(c, world)
  return withNext(c, world, {
    text: `leases.complete ${nameOf(world, pairs)}`,
    on: (backend, side, next) =>
      backend.leases.complete({
        ...scoped,
        items: pairs.map((pair) => ({ handle: pair[side], result })),
        next,
      }),
  })
}

export function fail(c: Chooser, world: World): Call | Play {
  const pairs = chooseHandles(c, world)
  const failure = { category: c.of(['error', 'fatal', 'timeout']), message: 'it broke' }
  const wish = c.below(4)
  const scoped = scope(c, world)
  return withNext(c, world, {
    text: `leases.fail ${nameOf(world, pairs)} as ${failure.category}, wish ${wish}`,
    on: async (backend, side, next) => {
      const nowMs = await backend.maintenance.serverTimeMs()
      const retry = ([undefined, 'never', { afterMs: 3_000 }, { atMs: nowMs - 5 }] as const)[wish]
      const items = pairs.map((pair) => ({
        handle: pair[side],
        failure,
        ...(retry === undefined ? {} : { retry }),
      }))
      return backend.leases.fail({ ...scoped, items, next })
    },
  })
}

export function delay(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const byMs = c.of([7_000, 0, 80_000])
  const scoped = scope(c, world)
  return {
    text: `leases.delay ${nameOf(world, pairs)} by ${byMs}`,
    on: async (backend, side) => {
      const untilMs = (await backend.maintenance.serverTimeMs()) + byMs
      return backend.leases.delay({
        ...scoped,
        items: pairs.map((pair) => ({ handle: pair[side], untilMs })),
      })
    },
  }
}

function yieldLeases(c: Chooser, world: World): Call {
  const pairs = chooseHandles(c, world)
  const scoped = scope(c, world)
  return {
    text: `leases.yield ${nameOf(world, pairs)}`,
    on: (backend, side) =>
      backend.leases.yield({ ...scoped, items: pairs.map((pair) => ({ handle: pair[side] })) }),
  }
}

export { yieldLeases as yield }

export function revoke(c: Chooser, world: World): Call {
  const leased = [...world.model.store.executions.values()].filter(
    (x) => x.namespace === world.namespace && x.lease !== null,
  )
  const id = c.rarely(4) ? chooseExecution(c, world) : (c.among(leased)?.id ?? makeExecutionId(0, mintUuid()))
  const params = { namespace: chooseNamespace(c, world), id }
  return { text: `leases.revoke ${id}`, on: (backend) => backend.leases.revoke(params) }
}
