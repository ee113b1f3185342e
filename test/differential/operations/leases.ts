import type { Chooser } from '../chooser.js'
import { mintUnknown } from '../minting.js'
import { type Call, handleOn, type LeaseHandles, nameLeases, type Play, type World } from '../world.js'
import { withNext } from './claims.js'
import { chooseExecution, chooseNamespace } from './executions.js'
import { choosePayload } from './spec.js'

/** A lease that was handed out once; now and then what never was one. */
export function chooseHolder(c: Chooser, world: World): LeaseHandles | undefined {
  const recent = world.handles.slice(-6)
  const known = c.rarely(3)
    ? c.among(world.handles)
    : recent[recent.length - 1 - c.below(Math.max(1, recent.length))]
  return c.rarely(30) ? undefined : known
}

function chooseLeases(c: Chooser, world: World): (LeaseHandles | undefined)[] {
  return Array.from({ length: c.rarely(4) ? 2 : 1 }, () => chooseHolder(c, world))
}

const scope = (c: Chooser, world: World) => ({ namespaces: [c.rarely(30) ? world.foreign : world.namespace] })

export function renew(c: Chooser, world: World): Call {
  const leases = chooseLeases(c, world)
  const leaseTtlMs = c.rarely(15) ? 1 : c.of([60_000, 1_000, 300_000])
  const scoped = scope(c, world)
  return {
    text: `leases.renew ${nameLeases(leases)} for ${leaseTtlMs}`,
    on: (backend, side) =>
      backend.leases.renew({
        ...scoped,
        items: leases.map((lease) => ({ handle: handleOn(side, lease), leaseTtlMs })),
      }),
  }
}

export function complete(c: Chooser, world: World): Call | Play {
  const leases = chooseLeases(c, world)
  const result = c.rarely(2) ? choosePayload(c, `result ${c.below(3)}`) : null
  const scoped = scope(c, world)
  return withNext(c, world, {
    text: `leases.complete ${nameLeases(leases)}`,
    on: (backend, side, next) =>
      backend.leases.complete({
        ...scoped,
        items: leases.map((lease) => ({ handle: handleOn(side, lease), result })),
        next,
      }),
  })
}

export function fail(c: Chooser, world: World): Call | Play {
  const leases = chooseLeases(c, world)
  const failure = { category: c.of(['error', 'fatal', 'timeout']), message: 'it broke' }
  const wish = c.below(4)
  const scoped = scope(c, world)
  return withNext(c, world, {
    text: `leases.fail ${nameLeases(leases)} as ${failure.category}, wish ${wish}`,
    on: async (backend, side, next) => {
      const nowMs = await world.model.maintenance.serverTimeMs()
      const retry = ([undefined, 'never', { afterMs: 3_000 }, { atMs: nowMs - 5 }] as const)[wish]
      const items = leases.map((lease) => ({
        handle: handleOn(side, lease),
        failure,
        ...(retry === undefined ? {} : { retry }),
      }))
      return backend.leases.fail({ ...scoped, items, next })
    },
  })
}

export function delay(c: Chooser, world: World): Call {
  const leases = chooseLeases(c, world)
  const byMs = c.of([7_000, 0, 80_000])
  const scoped = scope(c, world)
  return {
    text: `leases.delay ${nameLeases(leases)} by ${byMs}`,
    on: async (backend, side) => {
      const untilMs = (await world.model.maintenance.serverTimeMs()) + byMs
      return backend.leases.delay({
        ...scoped,
        items: leases.map((lease) => ({ handle: handleOn(side, lease), untilMs })),
      })
    },
  }
}

function yieldLeases(c: Chooser, world: World): Call {
  const leases = chooseLeases(c, world)
  const scoped = scope(c, world)
  return {
    text: `leases.yield ${nameLeases(leases)}`,
    on: (backend, side) =>
      backend.leases.yield({ ...scoped, items: leases.map((lease) => ({ handle: handleOn(side, lease) })) }),
  }
}

export { yieldLeases as yield }

export function revoke(c: Chooser, world: World): Call {
  const leased = [...world.model.store.executions.values()].filter(
    (x) => x.namespace === world.namespace && x.lease !== null,
  )
  const id = c.rarely(4) ? chooseExecution(c, world) : (c.among(leased)?.id ?? mintUnknown(world.minting))
  const params = { namespace: chooseNamespace(c, world), id }
  return { text: `leases.revoke ${id}`, on: (backend) => backend.leases.revoke(params) }
}
