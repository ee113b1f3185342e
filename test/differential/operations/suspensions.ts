import {
  type ExecutionId,
  type FlowId,
  parseSignalId,
  parseSuspensionId,
  parseWaitpointId,
  partitionTagOf,
  type ResumeCondition,
  type SignalMatch,
  type SuspendItem,
  suspensionReasons,
  suspensionTimeoutBehaviours,
  type WaitpointId,
} from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, handleOn, type LeaseHandles, nameLeases, type World } from '../world.js'
import { chooseExecution, chooseNamespace } from './executions.js'
import { encode } from './spec.js'

const names = ['yes', 'no'] as const

const mintIn = (world: World, id: ExecutionId | WaitpointId) =>
  `${partitionTagOf(id)}:${world.minting.uuid()}`
const waitpointsOf = (world: World, id: ExecutionId | null) =>
  world.waitpoints.filter(({ executionId }) => executionId === id).map((each) => each.id)

/** One of the execution's, mostly; now and then another's, or nobody's. */
function chooseWaitpoint(c: Chooser, world: World, id: ExecutionId | undefined): WaitpointId {
  const own = id === undefined ? undefined : c.among(waitpointsOf(world, id))
  const any = c.among(world.waitpoints)?.id
  const known = c.rarely(12) ? any : (own ?? any)
  if (known !== undefined && !c.rarely(25)) return known
  return parseWaitpointId(mintIn(world, id ?? chooseExecution(c, world)))
}

function chooseMatch(c: Chooser): { readonly match?: SignalMatch } {
  switch (c.below(5)) {
    case 1:
      return { match: { name: c.of(names) } }
    case 2:
      return { match: { payload: { op: 'above', path: '/n', value: c.below(3) } } }
    case 3:
      return { match: { name: c.of(names), payload: { op: 'not', of: { op: 'exists', path: '/n' } } } }
    default:
      return {}
  }
}

function chooseCondition(c: Chooser, world: World, id: ExecutionId, depth = 1): ResumeCondition {
  const waitpoint = () => chooseWaitpoint(c, world, id)
  const inner = () => chooseCondition(c, world, id, depth + 1)
  switch (depth > 2 ? c.below(2) : c.below(6)) {
    case 1:
      return {
        kind: 'count',
        n: 1 + c.below(3),
        of: c.of(['signals', 'waitpoints', 'sources'] as const),
        waitpointIds: [...new Set([waitpoint(), waitpoint()])],
        ...chooseMatch(c),
      }
    case 2:
      return { kind: 'all_of', of: [inner(), inner()] }
    case 3:
      return { kind: 'any_of', of: c.rarely(10) ? [] : [inner(), inner()] }
    case 4:
      return { kind: 'child', id: chooseChild(c, world) }
    default:
      return { kind: 'signal', waitpointId: waitpoint(), ...chooseMatch(c) }
  }
}

function chooseChild(c: Chooser, world: World): ExecutionId | FlowId {
  const flow = c.rarely(3) ? c.among(world.flows) : undefined
  return flow ?? chooseExecution(c, world)
}

function chooseWhen(c: Chooser): Pick<SuspendItem, 'timeout' | 'resumePolicy'> {
  const behaviour = suspensionTimeoutBehaviours[c.below(suspensionTimeoutBehaviours.length)] ?? 'fail'
  return {
    ...(c.rarely(2) ? { timeout: { afterMs: c.of([20_000, 0, 90_000]), behaviour } } : {}),
    ...(c.rarely(3) ? { resumePolicy: { delayMs: c.of([0, 7_000]), closeWaitpoints: c.rarely(2) } } : {}),
  }
}

export function suspend(c: Chooser, world: World): Call {
  const recent = world.handles.slice(-6)
  const lease: LeaseHandles | undefined = c.rarely(30)
    ? undefined
    : c.among(c.rarely(3) ? world.handles : recent)
  const id = lease?.executionId ?? chooseExecution(c, world)
  const known = world.suspensions.get(id)
  const suspensionId = c.rarely(3) && known !== undefined ? known : parseSuspensionId(mintIn(world, id))
  const fresh = parseWaitpointId(mintIn(world, id))
  const waitpoints = c.rarely(3) ? [{ waitpointId: fresh, name: `w${c.below(4)}` }] : []
  const condition: ResumeCondition =
    waitpoints.length > 0 && c.rarely(2)
      ? { kind: 'signal', waitpointId: fresh }
      : chooseCondition(c, world, id)
  const reason = suspensionReasons[c.below(suspensionReasons.length)] ?? 'signal'
  const namespaces = [c.rarely(30) ? world.foreign : world.namespace]
  const item = { suspensionId, reason, condition, waitpoints, ...chooseWhen(c) }
  return {
    text: `suspensions.suspend ${nameLeases([lease])} ${JSON.stringify(item)}`,
    on: (backend, side) =>
      backend.suspensions.suspend({
        namespaces,
        items: [{ ...item, handle: handleOn(side, lease) }],
      }),
    keep: (answers) => {
      const { items = [] } = answers.get('model') as { items?: readonly { readonly outcome: string }[] }
      if (items[0]?.outcome !== 'suspended' && items[0]?.outcome !== 'already_satisfied') return
      world.suspensions.set(id, suspensionId)
      for (const { waitpointId } of waitpoints) world.waitpoints.push({ id: waitpointId, executionId: id })
    },
  }
}

export function createWaitpoint(c: Chooser, world: World): Call {
  const lease = c.rarely(3) ? c.among(world.handles) : undefined
  const executionId = lease?.executionId ?? chooseExecution(c, world)
  const again = c.rarely(6) ? c.among(world.waitpoints)?.id : undefined
  const isExpiring = c.rarely(4)
  const params = {
    namespace: chooseNamespace(c, world),
    executionId,
    waitpointId: again ?? parseWaitpointId(mintIn(world, executionId)),
    name: `w${c.below(4)}`,
  }
  return {
    text: `suspensions.createWaitpoint ${JSON.stringify(params)} ${lease === undefined ? '' : nameLeases([lease])}`,
    on: async (backend, side) => {
      const nowMs = await world.model.maintenance.serverTimeMs()
      return backend.suspensions.createWaitpoint({
        ...params,
        ...(isExpiring ? { expiresAtMs: nowMs + 30_000 } : {}),
        ...(lease === undefined ? {} : { handle: handleOn(side, lease) }),
      })
    },
    keep: (answers) => {
      const answer = answers.get('model') as { readonly outcome?: string }
      if (answer.outcome === 'created') world.waitpoints.push({ id: params.waitpointId, executionId })
    },
  }
}

export function findWaitpoint(c: Chooser, world: World): Call {
  const params = { waitpointId: chooseWaitpoint(c, world, undefined) }
  return {
    text: `suspensions.findWaitpoint ${params.waitpointId}`,
    on: (backend) => backend.suspensions.findWaitpoint(params),
  }
}

export function closeWaitpoint(c: Chooser, world: World): Call {
  const params = { namespace: chooseNamespace(c, world), waitpointId: chooseWaitpoint(c, world, undefined) }
  return {
    text: `suspensions.closeWaitpoint ${params.waitpointId}`,
    on: (backend) => backend.suspensions.closeWaitpoint(params),
  }
}

export function deliverSignal(c: Chooser, world: World): Call {
  const waiting = [...world.model.store.executions.values()].filter(
    ({ suspension, namespace }) => suspension !== null && namespace === world.namespace,
  )
  const waitpointId = chooseWaitpoint(c, world, c.rarely(3) ? undefined : c.among(waiting)?.id)
  const params = {
    namespace: c.rarely(25) ? world.foreign : world.namespace,
    waitpointId,
    signalId: parseSignalId(mintIn(world, waitpointId)),
    name: c.of(names),
    payload: [null, encode('{"n":1}'), encode('{"n":2.5}'), encode('not json')][c.below(4)] ?? null,
    idempotencyKey: c.rarely(4) ? `key-${c.below(3)}` : world.minting.uuid(),
    source: c.of([null, 'ann', 'bob'] as const),
  }
  const { payload, ...told } = params
  return {
    text: `suspensions.deliverSignal ${JSON.stringify(told)} of ${payload?.byteLength ?? 0} bytes`,
    on: (backend) => backend.suspensions.deliverSignal(params),
  }
}

export function listWaitpoints(c: Chooser, world: World): Call {
  const params = { namespace: chooseNamespace(c, world), executionId: chooseExecution(c, world) }
  return {
    text: `suspensions.listWaitpoints ${params.executionId}`,
    on: (backend) => backend.suspensions.listWaitpoints({ ...params, limit: 1_000 }),
  }
}

export function listSignals(c: Chooser, world: World): Call {
  const executionId = chooseExecution(c, world)
  const waitpointId = c.rarely(3) ? c.among(waitpointsOf(world, executionId)) : undefined
  const suspensionId = c.rarely(3) ? world.suspensions.get(executionId) : undefined
  const params = { namespace: chooseNamespace(c, world), executionId, waitpointId, suspensionId }
  return {
    text: `suspensions.listSignals ${JSON.stringify(params)}`,
    on: (backend) => backend.suspensions.listSignals({ ...params, limit: 1_000 }),
  }
}
