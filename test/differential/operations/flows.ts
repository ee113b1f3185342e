import {
  type ExecutionId,
  type FlowEdge,
  type FlowId,
  type FlowNode,
  flowCancelPolicies,
  flowStates,
  type JoinSpec,
  parseFlowId,
  type RunOn,
} from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { mintMember } from '../minting.js'
import { type Call, handleOn, kinds, lanes, nameLeases, type World } from '../world.js'
import { chooseEnd, chooseExecution, chooseNamespace, chooseParent } from './executions.js'
import { choosePayload, chooseSpec } from './spec.js'

function chooseFlow(c: Chooser, world: World): FlowId {
  const known = c.rarely(4) ? c.among(world.flows) : world.flows.at(-1)
  return known === undefined || c.rarely(25) ? parseFlowId(world.minting.uuid()) : known
}

function chooseJoin(c: Chooser, n: number): JoinSpec | undefined {
  if (n === 0) return undefined
  const on = c.of(['default', 'cancel_remaining', 'let_run'] as const)
  const option = on === 'default' ? undefined : on
  const policies: readonly JoinSpec['policy'][] = [
    { kind: 'all_of', onImpossible: option },
    { kind: 'any_of', onSatisfied: option },
    { kind: 'quorum', k: 1 + c.below(n), onSatisfied: option },
  ]
  const runOns: readonly RunOn[] = ['groupSatisfied', 'groupSatisfied', 'groupImpossible', 'always']
  return {
    policy: c.rarely(40) ? { kind: 'quorum', k: n + 1 } : policies[c.below(3)],
    runOn: runOns[c.below(4)],
    settled: c.rarely(4),
    cancelShared: c.rarely(5),
    ancestors: c.rarely(5) ? 'let_run' : 'cancel',
  }
}

/** New nodes with edges among themselves and, in a growing flow, with what is there. */
function chooseGraph(c: Chooser, world: World, flowId: FlowId): { nodes: FlowNode[]; edges: FlowEdge[] } {
  const existing = world.members.get(flowId) ?? []
  const ids: ExecutionId[] = [...existing]
  const nodes: FlowNode[] = []
  const edges: FlowEdge[] = []
  const size = 1 + c.below(4)
  for (let i = 0; i < size; i += 1) {
    const id = mintMember(world.minting, flowId)
    const ups = [...new Set(Array.from({ length: c.below(3) }, () => c.among(ids)))].filter(
      (up) => up !== undefined,
    )
    for (const up of ups)
      edges.push({ from: up, to: id, ...(c.rarely(2) ? { as: `up-${edges.length}` } : {}) })
    const join = chooseJoin(c, ups.length)
    world.nodeCount += 1
    nodes.push({
      ...chooseSpec(c, world, { id, lane: c.of(lanes), kind: c.of(kinds), place: i }),
      ...(c.rarely(6) ? {} : { name: c.rarely(40) ? 'twice' : `n${world.nodeCount}` }),
      ...(join === undefined ? {} : { join }),
    })
    ids.push(id)
  }
  const [from, to] = [c.among(ids), c.among(existing)]
  if (existing.length > 0 && c.rarely(2) && from !== undefined && to !== undefined) edges.push({ from, to })
  return { nodes, edges }
}

const drawn = (edges: readonly FlowEdge[], nodes: readonly FlowNode[]) =>
  `${nodes.map(({ id, name, join }) => `${name}=${id} ${JSON.stringify(join)}`).join('; ')} | ${edges
    .map(({ from, to, as }) => `${from}→${to}${as === undefined ? '' : ` as ${as}`}`)
    .join('; ')}`

export function submit(c: Chooser, world: World): Call {
  const { namespace } = world
  const flowId = c.rarely(10)
    ? (c.among(world.flows) ?? parseFlowId(world.minting.uuid()))
    : parseFlowId(world.minting.uuid())
  const { nodes, edges } = chooseGraph(c, { ...world, members: new Map() }, flowId)
  const key = c.rarely(6) ? { idempotencyKey: `flow-key-${c.below(2)}` } : {}
  const deadline = c.rarely(6) ? { deadlineMs: 100_000 } : {}
  const parent = chooseParent(c, world)
  return {
    text: `flows.submit ${flowId} ${drawn(edges, nodes)}`,
    on: (backend) =>
      backend.flows.submit({ namespace, flowId, nodes, edges, ...key, ...deadline, ...parent }),
    keep: (answers) => {
      if ((answers.get('model') as { outcome?: string }).outcome !== 'accepted') return
      world.flows.push(flowId)
      remember(world, flowId, nodes)
    },
  }
}

function remember(world: World, flowId: FlowId, nodes: readonly FlowNode[]): void {
  const ids = nodes.map(({ id }) => id)
  world.members.set(flowId, [...(world.members.get(flowId) ?? []), ...ids])
  world.executions.push(...ids)
}

export function createDraft(c: Chooser, world: World): Call {
  const { namespace } = world
  const flowId = c.rarely(8) ? chooseFlow(c, world) : parseFlowId(world.minting.uuid())
  const draftTtlMs = c.of([86_400_000, 50_000])
  const parent = chooseParent(c, world)
  return {
    text: `flows.createDraft ${flowId}`,
    on: (backend) => backend.flows.createDraft({ namespace, flowId, draftTtlMs, ...parent }),
    keep: (answers) => {
      if ((answers.get('model') as { outcome?: string }).outcome === 'created') world.flows.push(flowId)
    },
  }
}

export function extend(c: Chooser, world: World): Call {
  const flowId = chooseFlow(c, world)
  const namespace = chooseNamespace(c, world)
  const { nodes, edges } = chooseGraph(c, world, flowId)
  const expected = c.rarely(8) ? { expectedRevision: 1 + c.below(3) } : {}
  const lease = c.rarely(5) ? world.handles.at(-1) : undefined
  return {
    text: `flows.extend ${flowId} ${drawn(edges, nodes)}${lease === undefined ? '' : ` by ${nameLeases([lease])}`}`,
    on: (backend, side) =>
      backend.flows.extend({
        namespace,
        flowId,
        nodes,
        edges,
        ...expected,
        ...(lease === undefined ? {} : { handle: handleOn(side, lease) }),
      }),
    keep: (answers) => {
      if ((answers.get('model') as { outcome?: string }).outcome === 'extended')
        remember(world, flowId, nodes)
    },
  }
}

const onFlow =
  (name: 'seal' | 'get' | 'getResult') =>
  (c: Chooser, world: World): Call => {
    const params = { namespace: chooseNamespace(c, world), flowId: chooseFlow(c, world) }
    return {
      text: `flows.${name} ${params.flowId}`,
      on: async (backend) => {
        const answer = await backend.flows[name](params)
        // A summary is as of its last projection, which each store makes at times of its own.
        return 'flow' in answer ? { ...answer, flow: { ...answer.flow, summary: null } } : answer
      },
    }
  }
export const seal = onFlow('seal')
export const get = onFlow('get')
export const getResult = onFlow('getResult')

export function getGraph(c: Chooser, world: World): Call {
  const params = { namespace: chooseNamespace(c, world), flowId: chooseFlow(c, world), limit: 1 + c.below(3) }
  return {
    text: `flows.getGraph ${params.flowId}`,
    on: async (backend) => {
      const pages: unknown[] = []
      let cursor: string | undefined
      do {
        const page = await backend.flows.getGraph({ ...params, cursor })
        pages.push(
          page.items.map((node) => ({
            ...node,
            incoming: node.incoming.map(({ id: _id, ...edge }) => edge),
          })),
        )
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { outcome: 'listed', pages }
    },
  }
}

export function list(c: Chooser, world: World): Call {
  const limit = c.rarely(10) ? 0 : 1 + c.below(3)
  const states = c.rarely(2) ? { states: [c.of(flowStates), c.of(flowStates)] } : {}
  const filter = { ...states, ...chooseEnd(c, world) }
  const { namespace } = world
  return {
    text: `flows.list ${JSON.stringify(filter)}`,
    on: async (backend) => {
      const pages: unknown[] = []
      let cursor: string | undefined
      do {
        const page = await backend.flows.list({ namespace, limit, cursor, ...filter })
        pages.push(page.items.map(({ id, state, graphRevision }) => ({ id, state, graphRevision })))
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { outcome: 'listed', pages }
    },
  }
}

export function cancel(c: Chooser, world: World): Call {
  const params = {
    namespace: chooseNamespace(c, world),
    flowId: chooseFlow(c, world),
    policy: c.of(flowCancelPolicies),
    ...(c.rarely(3) ? { finalisers: false } : {}),
  }
  return {
    text: `flows.cancel ${params.flowId} ${params.policy} ${params.finalisers ?? ''}`,
    on: (backend) => backend.flows.cancel(params),
  }
}

export function replay(c: Chooser, world: World): Call {
  const flowId = chooseFlow(c, world)
  const members = world.members.get(flowId) ?? []
  const chosen = [...new Set([c.among(members), c.among(members)])].filter((id) => id !== undefined)
  const ids = c.rarely(20) ? [chooseExecution(c, world)] : chosen
  const from = c.below(2) === 0 || ids.length === 0 ? ('failed' as const) : ids
  const inputs =
    from !== 'failed' && c.rarely(4)
      ? [{ id: from[0] as ExecutionId, input: choosePayload(c, 'forked') }]
      : undefined
  const params = {
    namespace: chooseNamespace(c, world),
    flowId,
    from,
    ...(inputs === undefined ? {} : { inputs }),
  }
  return { text: `flows.replay ${flowId} ${from}`, on: (backend) => backend.flows.replay(params) }
}
