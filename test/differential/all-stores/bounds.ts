import { type ExecutionId, parseExecutionId } from '@flowfabric/core'
import { isTerminal, isTerminalFlow } from '../../model/facts.js'
import type { Step } from '../run.js'
import type { Call, World } from '../world.js'

/**
 * A run of many steps must not cost more with each. Above this many executions nothing is submitted; what is old is
 * cancelled, and what has ended is removed.
 */
const executionsMax = 60
const rememberedMax = 40

/** The step, or one that makes room for what it would bring. */
export function withRoomFor(world: World, step: Step): Step | 'retire' {
  const { executions } = world.model.store
  const brings = /^executions\.submit|^flows\.(submit|extend|createDraft)/.test(step.op)
  if (!brings || executions.size + world.model.store.flows.size <= executionsMax) return step
  const ended = [...executions.values()].filter(isTerminal).length
  return ended > executionsMax / 2 ? { ...step, op: 'maintenance.trimRetention' } : 'retire'
}

/** Cancels what has been there longest and has not ended: a whole flow, or one execution. */
export function retire(world: World): { readonly op: string; readonly call: Call } {
  const { model, namespace } = world
  const flow = [...model.store.flows.values()].find((each) => !isTerminalFlow(each))
  const solo = [...model.store.executions.values()].find(
    (x) => !isTerminal(x) && (x.flowId === null || flow === undefined || x.flowId !== flow.id),
  )
  if (flow !== undefined && (solo === undefined || flow.sequence < solo.sequence)) {
    const params = { namespace, flowId: flow.id, policy: 'cancel_all', finalisers: false } as const
    return {
      op: 'flows.cancel',
      call: { text: `flows.cancel ${flow.id}, the oldest`, on: (backend) => backend.flows.cancel(params) },
    }
  }
  const params = { namespace, id: solo?.id ?? (world.executions[0] as ExecutionId) }
  return {
    op: 'executions.cancel',
    call: {
      text: `executions.cancel ${params.id}, the oldest`,
      on: (backend) => backend.executions.cancel(params),
    },
  }
}

/** Forgets what is gone, but for a few that are still asked for. */
export function forgetGone(world: World): void {
  const { executions, flows } = world.model.store
  keepSome(world.executions, (id) => executions.has(id))
  keepSome(world.flows, (id) => flows.has(id))
  const known = new Set<string>([...world.executions, ...world.flows])
  for (const id of world.members.keys()) if (!known.has(id)) world.members.delete(id)
  for (const id of world.places.keys()) if (!known.has(parseExecutionId(id))) world.places.delete(id)
  world.handles.splice(0, Math.max(0, world.handles.length - rememberedMax))
  world.lastClaims.splice(0, Math.max(0, world.lastClaims.length - rememberedMax))
}

const goneKept = 3

function keepSome<Id>(ids: Id[], isThere: (id: Id) => boolean): void {
  const gone = ids.filter((id) => !isThere(id))
  const forgotten = new Set(gone.slice(0, Math.max(0, gone.length - goneKept)))
  ids.splice(0, ids.length, ...ids.filter((id) => !forgotten.has(id)))
}
