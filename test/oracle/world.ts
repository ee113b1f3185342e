/**
 * The oracle's picture of one flow. It shares no decision code with the engine: its types are its own, and its rules
 * (`rules.ts`, `settle.ts`, `operations.ts`) are written from the text of the documents, by naive recomputation.
 */

export type OracleOutcome = 'success' | 'failed' | 'cancelled' | 'expired' | 'skipped'
export type OracleCause = 'operator' | 'flow' | 'sibling' | 'ancestor' | 'draft_expired'
export type OracleFlowState = 'draft' | 'open' | 'cancelling' | 'completed' | 'failed' | 'cancelled'
export type OracleDecision = 'pending' | 'satisfied' | 'impossible'

export interface OracleJoin {
  readonly policy: 'all_of' | 'any_of' | 'quorum'
  readonly k: number
  /** What the policy's own option says: cancel those that still run when it decides. */
  readonly cancels: boolean
  readonly runOn: 'groupSatisfied' | 'groupImpossible' | 'always'
  readonly settled: boolean
  readonly cancelShared: boolean
  readonly ancestors: boolean
}

/** Someone wants an execution gone; `upwards` when its own upstreams are then wanted too. */
export interface OracleWish {
  /** The node whose join wants it, or whose end leaves it without purpose. */
  readonly by: string
  readonly cause: 'sibling' | 'ancestor'
  readonly upwards: boolean
  /** Cancels even what another join needs. */
  readonly force: boolean
  /** False where two orders of equal standing would say different things: then it may, but need not, be carried out. */
  readonly sure: boolean
}

export interface OracleGroup {
  readonly join: OracleJoin
  decision: OracleDecision
  /** Its node was let go, skipped or found ended. */
  released: boolean
  reason: 'sibling_quorum_satisfied' | 'sibling_quorum_impossible' | null
  /** Upstreams of pending edges are still to be wished away. */
  tuple: boolean
}

export interface OracleNode {
  readonly name: string
  readonly maxAttempts: number
  readonly deadlineMs: number | null
  group: OracleGroup | null
  notBeforeMs: number | null
  held: boolean
  active: boolean
  /** When the last step settled, time alone kept it waiting. */
  waitedForTime: boolean
  generation: number
  replays: number
  reclaims: number
  /** What its next claim begins: a try, another run of one that lost its lease, or the rest of one that was put aside. */
  next: 'try' | 'reclaim' | 'resume'
  leaseUntilMs: number
  /** Initial, retry and replay attempts of this generation. */
  tries: number
  /** Was claimed in this generation. */
  claimed: boolean
  firstEligibleMs: number | null
  ended: { readonly outcome: OracleOutcome; readonly cause: OracleCause | null } | null
  /** It ended since the last step settled. */
  endedNow: boolean
  wishes: OracleWish[]
  /** The call that cancelled its flow, or an operator, ends it in this step. */
  doomed: OracleCause | null
}

export interface OracleEdge {
  readonly from: string
  readonly to: string
  /** What the upstream's recorded end counted as, once. */
  counted: 'succeeded' | 'failed' | 'skipped' | null
}

export interface OracleWorld {
  nowMs: number
  flow: OracleFlowState
  flowOnly: boolean
  finalisers: boolean
  policy: 'cancel_all' | 'cancel_pending' | null
  revision: number
  flowGeneration: number
  readonly nodes: Map<string, OracleNode>
  readonly edges: OracleEdge[]
  /** The named sinks that had succeeded when `flow_only` closed the flow. */
  frozenResult: readonly string[] | null
}

export interface OracleNodeSpec {
  readonly name: string
  readonly join: OracleJoin | null
  readonly startInMs: number | null
  readonly deadlineMs: number | null
  readonly maxAttempts: number
}

export function emptyWorld(flow: 'draft' | 'open', nowMs: number): OracleWorld {
  return {
    nowMs,
    flow,
    flowOnly: false,
    finalisers: true,
    policy: null,
    revision: 0,
    flowGeneration: 1,
    nodes: new Map(),
    edges: [],
    frozenResult: null,
  }
}

export function addNode(world: OracleWorld, spec: OracleNodeSpec): void {
  world.nodes.set(spec.name, {
    name: spec.name,
    maxAttempts: spec.maxAttempts,
    deadlineMs: spec.deadlineMs,
    group: spec.join === null ? null : newGroup(spec.join),
    notBeforeMs: spec.startInMs === null ? null : world.nowMs + spec.startInMs,
    held: false,
    active: false,
    waitedForTime: false,
    generation: 1,
    replays: 0,
    reclaims: 0,
    next: 'try',
    leaseUntilMs: 0,
    tries: 0,
    claimed: false,
    firstEligibleMs: null,
    ended: null,
    endedNow: false,
    wishes: [],
    doomed: null,
  })
}

export function newGroup(join: OracleJoin): OracleGroup {
  return { join, decision: 'pending', released: false, reason: null, tuple: false }
}

export const plainJoin: OracleJoin = {
  policy: 'all_of',
  k: 0,
  cancels: false,
  runOn: 'groupSatisfied',
  settled: false,
  cancelShared: false,
  ancestors: true,
}

export function nodeOf(world: OracleWorld, name: string): OracleNode {
  const node = world.nodes.get(name)
  if (node === undefined) throw new Error(`the oracle knows no node ${name}`)
  return node
}

export const incoming = (world: OracleWorld, name: string): OracleEdge[] =>
  world.edges.filter((edge) => edge.to === name)

export const outgoing = (world: OracleWorld, name: string): OracleEdge[] =>
  world.edges.filter((edge) => edge.from === name)
