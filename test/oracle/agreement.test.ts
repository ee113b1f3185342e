import {
  type CancelCause,
  type ExecutionId,
  isNeeded,
  mintExecutionIdInFlow,
  mintFlowId,
  replayPlanOf,
  settlementOf,
} from '@flowfabric/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cancelMember, claim, complete, fail, isClaimable, replay } from './operations.js'
import { isOfUse, unabsorbed } from './rules.js'
import { buildNodes, type DagScript, dagScripts } from './script.js'
import { blockOf, type OracleEnd, settle } from './settle.js'
import { addNode, emptyWorld, type OracleJoin, type OracleWorld, outgoing, plainJoin } from './world.js'

const numRuns = 400

describe('the pure decisions of core agree with the oracle on random DAGs', () => {
  it('on who is needed, on what a replay reopens and on how a flow ends', () => {
    const seen = { settled: 0, failed: 0, planned: 0, conflicts: 0, unneeded: 0 }
    fc.assert(
      fc.property(dagScripts({ nodesMax: 20, stepsMax: 40 }), (script) => {
        const { world, ids } = begin(script)
        for (const step of script.steps) {
          take(world, step)
          settle(world)
          for (const node of world.nodes.values()) {
            const edges = outgoing(world, node.name).map(({ to }) => {
              const group = world.nodes.get(to)?.group
              return {
                downstreamTerminal: world.nodes.get(to)?.ended != null,
                downstreamAlways: group?.join.runOn === 'always',
                groupState: group?.decision ?? ('pending' as const),
              }
            })
            expect(isNeeded(edges)).toBe(isOfUse(world, node.name))
            if (!isNeeded(edges)) seen.unneeded += 1
          }
          compareReplays(world, ids, script, seen)
        }
        runToTheEnd(world, script.tail)
        const { state, unabsorbed: left } = settlementOf(...factsOf(world, ids))
        expect(world.flow).toBe(state)
        expect(new Set(left)).toEqual(new Set(unabsorbed(world).map((name) => ids.get(name))))
        seen[state === 'failed' ? 'failed' : 'settled'] += 1
      }),
      { numRuns, seed: 20_260_101 },
    )
    // Each side of each question was met.
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(10)
  })
})

describe('the oracle, where two joins want one member gone in the same step', () => {
  type Joins = Readonly<Record<'left' | 'right', Pick<OracleJoin, 'ancestors' | 'cancelShared'>>>
  const isGone: OracleEnd = { outcome: 'cancelled', cause: 'ancestor' }
  const isSkipped: OracleEnd = { outcome: 'skipped', cause: null }

  /**
   * `first` and `lost` race for `left`, which decides when `first` has won, and for `right`, which does so too, or is `late`:
   * then it decides one wave later, since `never` is skipped. `above` runs for `lost` alone.
   */
  function race(order: readonly string[], { left, right }: Joins, isLate: boolean): OracleWorld {
    const world = emptyWorld('open', 0)
    const joins: Readonly<Record<string, OracleJoin>> = {
      left: { ...plainJoin, policy: 'any_of', cancels: true, ...left },
      right: { ...plainJoin, policy: isLate ? 'all_of' : 'any_of', cancels: true, ...right },
      never: { ...plainJoin, runOn: 'groupImpossible' },
      lost: plainJoin,
    }
    for (const name of order)
      addNode(world, { name, join: joins[name] ?? null, startInMs: null, deadlineMs: null, maxAttempts: 1 })
    const edges = [
      ['first', 'left'],
      ['lost', 'left'],
      [isLate ? 'never' : 'first', 'right'],
      ['lost', 'right'],
      ['first', 'never'],
      ['above', 'lost'],
    ] as const
    for (const [from, to] of edges) world.edges.push({ from, to, counted: null })
    settle(world)
    expect(claim(world, ['first', 'above'], 2, 1_000)).toEqual([])
    return world
  }

  /** What the oracle says of a store in which the race was lost and this became of `above`. */
  function judge(each: Case, joins: Joins, above: OracleEnd | null): readonly string[] {
    const world = race(each.order, joins, each.isLate)
    complete(world, 'first')
    const ends: Record<string, OracleEnd | null> = {
      first: { outcome: 'success', cause: null },
      lost: { outcome: 'cancelled', cause: 'sibling' },
      never: isSkipped,
      right: each.isLate ? isSkipped : null,
      above,
    }
    return settle(world, (name) => ends[name] ?? null)
  }

  interface Case {
    readonly title: string
    /** In which the oracle looks at the nodes. */
    readonly order: readonly string[]
    readonly isLate: boolean
    readonly isLeftShared: boolean
    readonly isRightShared: boolean
  }

  const orders = [
    ['first', 'never', 'above', 'left', 'lost', 'right'],
    ['first', 'never', 'above', 'right', 'lost', 'left'],
    ['lost', 'left', 'right', 'never', 'first', 'above'],
    ['right', 'never', 'left', 'above', 'lost', 'first'],
  ]
  const either = [false, true]
  const cases = orders.flatMap((order) =>
    either.flatMap((isLate) =>
      either.flatMap((isLeftShared) =>
        either.map((isRightShared): Case => {
          const shared = [isLeftShared && 'left', isRightShared && 'right'].filter(Boolean).join(', ')
          const title = `${order.join(' ')}; shared: ${shared || 'none'}${isLate ? '; right is late' : ''}`
          return { title, order, isLate, isLeftShared, isRightShared }
        }),
      ),
    ),
  )
  const joinsOf = ({ isLeftShared, isRightShared }: Case, left: boolean, right: boolean): Joins => ({
    left: { ancestors: left, cancelShared: isLeftShared },
    right: { ancestors: right, cancelShared: isRightShared },
  })

  it.each(cases)('allows either where only one of them says that its ancestors follow ($title)', (each) => {
    for (const left of either) {
      const joins = joinsOf(each, left, !left)
      expect(judge(each, joins, isGone)).toEqual([])
      expect(judge(each, joins, null)).toEqual([])
    }
  })

  // `earlier` wanted `lost` gone one step before and spared it for `use`, which is skipped in the step in which `later` forces it.
  it.each([
    [['earlier', 'later', 'lost', 'never', 'use', 'first', 'second', 'above']],
    [['use', 'never', 'lost', 'above', 'later', 'earlier', 'second', 'first']],
    [['lost', 'use', 'never', 'first', 'second', 'later', 'earlier', 'above']],
    [['above', 'first', 'second', 'never', 'later', 'lost', 'use', 'earlier']],
  ])(
    'allows either where what an earlier join spared it for ends in the step of a later one (%s)',
    (order) => {
      const joins: Readonly<Record<string, OracleJoin>> = {
        earlier: { ...plainJoin, policy: 'any_of', cancels: true, ancestors: false },
        later: { ...plainJoin, policy: 'any_of', cancels: true, cancelShared: true },
        never: { ...plainJoin, runOn: 'groupImpossible' },
        use: plainJoin,
        lost: plainJoin,
      }
      for (const above of [isGone, null]) {
        const world = emptyWorld('open', 0)
        for (const name of order)
          addNode(world, {
            name,
            join: joins[name] ?? null,
            startInMs: null,
            deadlineMs: null,
            maxAttempts: 1,
          })
        const edges = [
          ['first', 'earlier'],
          ['lost', 'earlier'],
          ['second', 'later'],
          ['lost', 'later'],
          ['second', 'never'],
          ['never', 'use'],
          ['lost', 'use'],
          ['above', 'lost'],
        ] as const
        for (const [from, to] of edges) world.edges.push({ from, to, counted: null })
        settle(world)
        expect(claim(world, ['first', 'second', 'above'], 3, 1_000)).toEqual([])
        complete(world, 'first')
        const success: OracleEnd = { outcome: 'success', cause: null }
        expect(settle(world, (name) => (name === 'first' ? success : null))).toEqual([])
        complete(world, 'second')
        const ends: Record<string, OracleEnd> = {
          first: success,
          second: success,
          lost: { outcome: 'cancelled', cause: 'sibling' },
          never: isSkipped,
          use: isSkipped,
        }
        expect(settle(world, (name) => (name === 'above' ? above : (ends[name] ?? null)))).toEqual([])
      }
    },
  )

  it.each(cases)('knows what must be where they say the same ($title)', (each) => {
    const both = joinsOf(each, true, true)
    expect(judge(each, both, isGone)).toEqual([])
    expect(judge(each, both, null)).toEqual(['above must end cancelled (ancestor), but is not ended'])
    const none = joinsOf(each, false, false)
    expect(judge(each, none, null)).toEqual([])
    expect(judge(each, none, isGone)).toEqual([
      'above is cancelled (ancestor), which no rule allows: nothing ends it',
    ])
  })
})

function begin(script: DagScript): { world: OracleWorld; ids: Map<string, ExecutionId> } {
  const world = emptyWorld('open', 0)
  const graph = buildNodes(script.nodes, 0)
  for (const spec of graph.specs) addNode(world, { ...spec, startInMs: null, deadlineMs: null })
  for (const edge of graph.edges) world.edges.push({ ...edge, counted: null })
  settle(world)
  const flowId = mintFlowId()
  return { world, ids: new Map(graph.specs.map(({ name }) => [name, mintExecutionIdInFlow(flowId, 4)])) }
}

function take(world: OracleWorld, step: DagScript['steps'][number]): void {
  const all = [...world.nodes.values()]
  const active = all.filter((node) => node.active)
  if (step.op === 'claim') {
    const claimable = all.filter((node) => isClaimable(world, node)).slice(0, step.max)
    claim(
      world,
      claimable.map(({ name }) => name),
      step.max,
      1_000,
    )
  } else if (step.op === 'end' && active.length > 0) {
    const { name } = active[step.pick % active.length] ?? { name: '' }
    if (step.how === 'success') complete(world, name)
    else fail(world, name, step.how === 'retry' ? 'at_once' : 'never')
  } else if (step.op === 'cancel') {
    cancelMember(world, all[step.pick % all.length]?.name ?? '')
  } else if (step.op === 'replay') {
    const names = all.map(({ name }) => name)
    const from =
      step.from === 'failed' ? step.from : step.from.map((pick) => names[pick % names.length] ?? '')
    replay(world, from)
  }
}

function runToTheEnd(world: OracleWorld, tail: number): void {
  for (let turn = 0; [...world.nodes.values()].some(({ ended }) => ended === null); turn += 1) {
    expect(turn).toBeLessThan(500)
    const all = [...world.nodes.values()]
    const claimable = all.filter((node) => isClaimable(world, node)).map(({ name }) => name)
    claim(world, claimable, 100, 1_000)
    const name = all.find((node) => node.active)?.name ?? ''
    if (((tail >> (turn % 30)) & 1) === 0) complete(world, name)
    else fail(world, name, 'never')
    settle(world)
  }
}

function factsOf(world: OracleWorld, ids: Map<string, ExecutionId>) {
  const idOf = (name: string) => ids.get(name) as ExecutionId
  const members = [...world.nodes.values()].map((node) => ({
    id: idOf(node.name),
    outcome: node.ended?.outcome ?? ('success' as const),
    cancelCause: (node.ended?.cause ?? null) as CancelCause | null,
    runOn: node.group?.join.runOn ?? ('groupSatisfied' as const),
    attemptStarted: node.claimed,
    group: node.group === null ? null : { policy: node.group.join.policy, state: node.group.decision },
  }))
  const edges = world.edges.map(({ from, to }) => ({ from: idOf(from), to: idOf(to) }))
  return [members, edges] as const
}

function compareReplays(
  world: OracleWorld,
  ids: Map<string, ExecutionId>,
  script: DagScript,
  seen: { planned: number; conflicts: number },
): void {
  const names = [...world.nodes.keys()]
  const members = [...world.nodes.values()].map((node) => ({
    id: ids.get(node.name) as ExecutionId,
    outcome: node.ended?.outcome ?? ('none' as const),
    cancelCause: (node.ended?.cause ?? null) as CancelCause | null,
    dependencyBlocked: blockOf(world, node) === 'dependencies',
    replayCount: node.replays,
  }))
  const [, edges] = factsOf(world, ids)
  for (const from of ['failed', [names[script.tail % names.length] ?? '']] as const) {
    const copy = structuredClone(world)
    const expected = replay(copy, from)
    const chosen = from === 'failed' ? from : from.map((name) => ids.get(name) as ExecutionId)
    const plan = replayPlanOf(members, edges, chosen)
    expect(plan.outcome === 'plan' ? 'replayed' : plan.outcome).toBe(expected)
    if (plan.outcome === 'replay_conflict') seen.conflicts += 1
    if (plan.outcome !== 'plan') continue
    seen.planned += 1
    const reopened = names.filter(
      (name) => copy.nodes.get(name)?.generation !== world.nodes.get(name)?.generation,
    )
    expect([...plan.ids].sort()).toEqual(reopened.map((name) => ids.get(name) as ExecutionId).sort())
    expectLeavesFirst(plan.ids, edges)
  }
}

function expectLeavesFirst(
  order: readonly ExecutionId[],
  edges: readonly { readonly from: ExecutionId; readonly to: ExecutionId }[],
): void {
  const place = new Map(order.map((id, index) => [id, index]))
  for (const { from, to } of edges) {
    const [above, below] = [place.get(from), place.get(to)]
    if (above !== undefined && below !== undefined) expect(below).toBeLessThan(above)
  }
}
