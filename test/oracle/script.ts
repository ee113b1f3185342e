import fc from 'fast-check'
import { type OracleJoin, type OracleNodeSpec, plainJoin } from './world.js'

/**
 * A random DAG and what befalls it, as plain numbers: `pick`s and `ups` are taken modulo what there is, so that any part
 * can be left out and the rest still means something. That is what lets fast-check shrink a failure to a few lines.
 */
export interface DagScript {
  readonly mode: 'submit' | 'draft'
  readonly nodes: readonly NodeChoice[]
  readonly steps: readonly Step[]
  /** How the members that are left end, when the script is over: one bit each, in turn. */
  readonly tail: number
}

export interface NodeChoice {
  /** How far back each upstream lies. */
  readonly ups: readonly number[]
  readonly policy: OracleJoin['policy']
  readonly k: number
  /** `undefined` leaves the policy's option to its default. */
  readonly cancels: boolean | undefined
  readonly runOn: OracleJoin['runOn']
  readonly settled: boolean
  readonly cancelShared: boolean
  readonly ancestors: boolean
  readonly starts: 'at_once' | 'later'
  readonly deadline: boolean
  readonly attempts: number
}

export type Step =
  | { readonly op: 'claim'; readonly max: number }
  | { readonly op: 'end'; readonly pick: number; readonly how: 'success' | 'failure' | 'retry' }
  | {
      readonly op: 'stale' | 'delay' | 'revoke' | 'cancel' | 'hold' | 'release'
      readonly pick: number
    }
  | { readonly op: 'advance' | 'seal' }
  | {
      readonly op: 'extend'
      readonly nodes: readonly NodeChoice[]
      readonly joins: readonly (readonly [from: number, to: number])[]
    }
  | {
      readonly op: 'cancelFlow'
      readonly policy: 'cancel_all' | 'cancel_pending' | 'flow_only'
      readonly finalisers: boolean
    }
  | { readonly op: 'replay'; readonly from: 'failed' | readonly number[] }

const nodeChoice: fc.Arbitrary<NodeChoice> = fc.record({
  ups: fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 6, arbitrary: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }) },
  ),
  policy: fc.constantFrom('all_of' as const, 'any_of' as const, 'quorum' as const),
  k: fc.nat(3),
  cancels: fc.constantFrom(undefined, true, false),
  runOn: fc.oneof(
    { weight: 6, arbitrary: fc.constant('groupSatisfied' as const) },
    { weight: 2, arbitrary: fc.constant('groupImpossible' as const) },
    { weight: 2, arbitrary: fc.constant('always' as const) },
  ),
  settled: oneIn(4),
  cancelShared: oneIn(5),
  ancestors: oneIn(5).map((off) => !off),
  starts: oneIn(7).map((later) => (later ? ('later' as const) : ('at_once' as const))),
  deadline: oneIn(7),
  attempts: fc.integer({ min: 1, max: 3 }),
})

function oneIn(n: number): fc.Arbitrary<boolean> {
  return fc.nat(n - 1).map((value) => value === n - 1)
}

const pick = fc.nat(60)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ op: fc.constant('claim' as const), max: fc.integer({ min: 1, max: 8 }) }),
  },
  {
    weight: 22,
    arbitrary: fc.record({
      op: fc.constant('end' as const),
      pick,
      how: fc.constantFrom(
        'success' as const,
        'success' as const,
        'success' as const,
        'failure' as const,
        'failure' as const,
        'retry' as const,
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constantFrom('stale' as const, 'delay', 'revoke', 'cancel', 'hold', 'release'),
      pick,
    }),
  },
  { weight: 3, arbitrary: fc.record({ op: fc.constantFrom('advance' as const, 'advance', 'seal') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('extend' as const),
      nodes: fc.array(nodeChoice, { maxLength: 3 }),
      joins: fc.array(fc.tuple(pick, pick), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('cancelFlow' as const),
      policy: fc.constantFrom('cancel_all' as const, 'cancel_pending' as const, 'flow_only' as const),
      finalisers: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('replay' as const),
      from: fc.oneof(fc.constant('failed' as const), fc.array(pick, { minLength: 1, maxLength: 3 })),
    }),
  },
)

export interface DagScriptBounds {
  readonly nodesMax: number
  readonly stepsMax: number
}

export function dagScripts({ nodesMax, stepsMax }: DagScriptBounds): fc.Arbitrary<DagScript> {
  return fc.record({
    mode: fc.oneof(
      { weight: 4, arbitrary: fc.constant('submit' as const) },
      { weight: 1, arbitrary: fc.constant('draft' as const) },
    ),
    nodes: fc.array(nodeChoice, { minLength: 3, maxLength: nodesMax, size: 'max' }),
    steps: fc.array(step, { minLength: 1, maxLength: stepsMax, size: 'max' }),
    tail: fc.nat(0x3fffffff),
  })
}

export const startDelayMs = 30_000
export const deadlineMs = 100_000
/** One step of the clock: past any start, not past a deadline that began with it. */
export const advanceMs = 60_001

export interface BuiltNodes {
  readonly specs: readonly OracleNodeSpec[]
  readonly edges: readonly { readonly from: string; readonly to: string }[]
  /** What a caller states, by name. */
  readonly choices: ReadonlyMap<string, NodeChoice>
}

export const nodeName = (index: number): string => `n${index}`

/** Numbers the choices from `first` on; upstreams lie at most six places back, so that deep graphs come about. */
export function buildNodes(choices: readonly NodeChoice[], first: number): BuiltNodes {
  const edges: { from: string; to: string }[] = []
  const specs = choices.map((choice, offset): OracleNodeSpec => {
    const index = first + offset
    const ups =
      index === 0 ? [] : [...new Set(choice.ups.map((back) => index - 1 - (back % Math.min(index, 6))))]
    for (const up of ups) edges.push({ from: nodeName(up), to: nodeName(index) })
    return {
      name: nodeName(index),
      join: ups.length === 0 ? null : oracleJoin(choice, ups.length),
      startInMs: choice.starts === 'later' ? startDelayMs : null,
      deadlineMs: choice.deadline ? deadlineMs : null,
      maxAttempts: choice.attempts,
    }
  })
  return {
    specs,
    edges,
    choices: new Map(choices.map((choice, offset) => [nodeName(first + offset), choice])),
  }
}

function oracleJoin(choice: NodeChoice, n: number): OracleJoin {
  return {
    ...plainJoin,
    policy: choice.policy,
    k: quorumOf(choice, n),
    cancels: choice.cancels ?? choice.policy !== 'all_of',
    runOn: choice.runOn,
    settled: choice.settled,
    cancelShared: choice.cancelShared,
    ancestors: choice.ancestors,
  }
}

const quorumOf = (choice: NodeChoice, n: number): number => 1 + (choice.k % n)
