import {
  type ClaimedExecution,
  type ExecutionId,
  type FlowEdge,
  type FlowNode,
  type FlowNodeView,
  type FoundationBackend,
  isEngineError,
  mintClaimId,
  mintExecutionIdInFlow,
  mintFlowId,
  mintInstanceId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
} from '@flowfabric/core'
import { type Tallies, tally } from '../support/random-runs.js'
import { compare, type Shown, seenEnds } from './expectations.js'
import { toFlowGraph } from './flow-graph.js'
import { LeaseBook } from './lease-book.js'
import * as oracle from './operations.js'
import {
  advanceMs,
  type BuiltNodes,
  buildNodes,
  type DagScript,
  nodeName,
  type Step,
  startDelayMs,
} from './script.js'
import { settle } from './settle.js'
import { addNode, emptyWorld, incoming, nodeOf, type OracleNode, type OracleWorld } from './world.js'

/** The store under test, and how its own loops are driven to rest by hand. */
export interface Stage {
  readonly backend: FoundationBackend
  readonly partitionCount: number
  readonly settle: () => Promise<unknown>
}

const namespace = parseNamespace('oracle')
const kind = parseKind('work')
const longLeaseMs = 3_600_000
const shortLeaseMs = 50_000

/** Plays a script on a store by public operations only, and holds it to the oracle after every step. Throws at the first difference. */
export async function playScript(stage: Stage, script: DagScript, tallies: Tallies): Promise<void> {
  const player = new Player(stage, script, tallies)
  await player.play()
}

class Player {
  readonly #stage: Stage
  readonly #script: DagScript
  readonly #tallies: Tallies
  readonly #flowId = mintFlowId()
  /** Of this script alone, so that claims meet nothing that an earlier one left. */
  readonly #lane = parseLaneId(`dags-${this.#flowId}`)
  readonly #instanceId = mintInstanceId()
  readonly #ids = new Map<string, ExecutionId>()
  readonly #names = new Map<ExecutionId, string>()
  readonly #leases = new LeaseBook()
  readonly #log: string[] = []
  #world: OracleWorld = emptyWorld('open', 0)

  constructor(stage: Stage, script: DagScript, tallies: Tallies) {
    this.#stage = stage
    this.#script = script
    this.#tallies = tallies
  }

  async play(): Promise<void> {
    try {
      await this.#begin()
      await this.#check()
      for (const step of this.#script.steps) {
        await this.#take(step)
        await this.#check()
      }
      await this.#finish()
    } catch (error) {
      throw new Error(`${String(error)}\nafter:\n${this.#log.join('\n')}\n${this.#drawGraph()}`, {
        cause: error,
      })
    }
  }

  async #begin(): Promise<void> {
    const { backend } = this.#stage
    const { mode, nodes } = this.#script
    const nowMs = await backend.maintenance.serverTimeMs()
    this.#world = emptyWorld(mode === 'draft' ? 'draft' : 'open', nowMs)
    const graph = buildNodes(nodes, 0)
    if (mode === 'submit') {
      const sent = this.#toGraph(graph)
      const answer = await backend.flows.submit({ namespace, flowId: this.#flowId, ...sent })
      this.#expect('flows.submit', answer.outcome, 'accepted')
    } else {
      const created = await backend.flows.createDraft({ namespace, flowId: this.#flowId })
      this.#expect('flows.createDraft', created.outcome, 'created')
      const grown = await backend.flows.extend({ namespace, flowId: this.#flowId, ...this.#toGraph(graph) })
      this.#expect('flows.extend', grown.outcome, 'extended')
      this.#world.revision += 1
    }
    this.#world.revision += 1
    for (const spec of graph.specs) addNode(this.#world, spec)
    for (const edge of graph.edges) this.#world.edges.push({ ...edge, counted: null })
  }

  async #take(step: Step): Promise<void> {
    switch (step.op) {
      case 'claim':
        return this.#claim(step.max, step.max % 3 === 0 ? shortLeaseMs : longLeaseMs)
      case 'end':
        return this.#end(step.pick, step.how)
      case 'stale':
        return this.#completeStale(step.pick)
      case 'delay':
      case 'revoke':
        return this.#giveUp(step.op, step.pick)
      case 'cancel':
      case 'hold':
      case 'release':
        return this.#operate(step.op, this.#pickMember(step.pick))
      case 'advance':
        return this.#advance()
      case 'seal':
        return this.#seal()
      case 'extend':
        return this.#extend(step)
      case 'cancelFlow':
        return this.#cancelFlow(step.policy, step.finalisers)
      case 'replay':
        return this.#replay(step.from)
    }
  }

  async #claim(max: number, leaseTtlMs: number): Promise<void> {
    const answer = await this.#stage.backend.leases.claim({
      claimId: mintClaimId(),
      workerId: parseWorkerId('oracle'),
      instanceId: this.#instanceId,
      namespaces: [namespace],
      lanes: [this.#lane],
      kinds: [kind],
      capabilities: [],
      max,
      leaseTtlMs,
    })
    const leases = answer.outcome === 'claimed' ? answer.leases : []
    const names = leases.map((lease) => this.#names.get(lease.executionId) ?? `stray ${lease.executionId}`)
    this.#note('leases.claim', answer.outcome, `${max} → ${names.join(' ')}`)
    for (const lease of leases) this.#checkHandedDown(lease)
    this.#refute(oracle.claim(this.#world, names, max, leaseTtlMs))
    for (const [index, lease] of leases.entries()) {
      const name = names[index] ?? ''
      this.#leases.retire(name, 'dead')
      this.#leases.add(name, lease.handle)
    }
  }

  /** What a claim hands down holds together: results only of edges that were satisfied, and by the names of the graph. */
  #checkHandedDown(lease: ClaimedExecution): void {
    const name = this.#names.get(lease.executionId) ?? ''
    const known = incoming(this.#world, name).map(({ from }) => from)
    const named = lease.upstream.map((each) => each.as.slice('from-'.length)).sort()
    if (named.join() !== known.sort().join()) this.#refute([`${name} was handed ${named}, not ${known}`])
    for (const each of lease.upstream) {
      const text = each.result === null ? null : new TextDecoder().decode(each.result)
      if (text !== (each.satisfied ? `result of ${each.as.slice('from-'.length)}` : null))
        this.#refute([`${name} was handed ${text} as ${each.as} (satisfied: ${each.satisfied})`])
    }
  }

  async #end(pick: number, how: 'success' | 'failure' | 'retry'): Promise<void> {
    const lease = this.#leases.pick(pick, 'live')
    if (lease === undefined) return
    const { handle, name } = lease
    const { leases } = this.#stage.backend
    if (how === 'success') {
      const result = new TextEncoder().encode(`result of ${name}`)
      const answer = await leases.complete({ namespaces: [namespace], items: [{ handle, result }] })
      this.#expect(`leases.complete ${name}`, answer.items[0]?.outcome, oracle.complete(this.#world, name))
    } else {
      const failure = { category: 'error', message: 'as told' }
      const retry = how === 'retry' ? { afterMs: 0 } : ('never' as const)
      const answer = await leases.fail({ namespaces: [namespace], items: [{ handle, failure, retry }] })
      const expected = oracle.fail(this.#world, name, how === 'retry' ? 'at_once' : 'never')
      this.#expect(`leases.fail ${name}`, answer.items[0]?.outcome, expected)
    }
    // Its holder's repeat would be answered alike: it is neither live nor foreign.
    this.#leases.forget(lease)
  }

  /** An end by a worker that lost its lease: in vain, unless it ran out and nobody took the execution since. */
  async #completeStale(pick: number): Promise<void> {
    const lease = this.#leases.pick(pick, 'lapsed') ?? this.#leases.pick(pick, 'dead')
    if (lease === undefined) return
    const result = new TextEncoder().encode(`result of ${lease.name}`)
    const items = [{ handle: lease.handle, result }]
    const answer = await this.#stage.backend.leases.complete({ namespaces: [namespace], items })
    const outcome = answer.items[0]?.outcome
    if (lease.state === 'lapsed' && nodeOf(this.#world, lease.name).ended === null) {
      this.#expect(
        `leases.complete ${lease.name}, late`,
        outcome,
        oracle.completeLate(this.#world, lease.name),
      )
      this.#leases.forget(lease)
      return
    }
    this.#note(`leases.complete ${lease.name}, stale`, outcome)
    if (!['stale_lease', 'lease_revoked', 'execution_not_active'].includes(outcome ?? ''))
      this.#refute([`a dead handle of ${lease.name} was answered ${outcome}`])
  }

  async #giveUp(op: 'revoke' | 'delay', pick: number): Promise<void> {
    const lease = this.#leases.pick(pick, 'live')
    if (lease === undefined) return
    const { leases, maintenance } = this.#stage.backend
    const id = this.#idOf(lease.name)
    if (op === 'revoke') {
      const answer = await leases.revoke({ namespace, id })
      const next = answer.outcome === 'revoked' ? answer.next : answer.outcome
      this.#expect(`leases.revoke ${lease.name}`, next, oracle.revoke(this.#world, lease.name))
      lease.state = 'dead'
      return
    }
    const untilMs = (await maintenance.serverTimeMs()) + startDelayMs
    const answer = await leases.delay({ namespaces: [namespace], items: [{ handle: lease.handle, untilMs }] })
    const expected = oracle.delay(this.#world, lease.name, startDelayMs)
    this.#expect(`leases.delay ${lease.name}`, answer.items[0]?.outcome, expected)
    this.#leases.forget(lease)
  }

  async #operate(op: 'cancel' | 'hold' | 'release', name: string): Promise<void> {
    const params = { namespace, id: this.#idOf(name) }
    const { executions } = this.#stage.backend
    if (op === 'cancel') {
      const answer = await executions.cancel(params)
      this.#expect(`executions.cancel ${name}`, answer.outcome, oracle.cancelMember(this.#world, name))
    } else if (op === 'hold') {
      // A draft's roots are nobody's to hold yet: the documents say nothing of it.
      if (this.#world.flow === 'draft') return
      const answer = await executions.hold(params)
      this.#expect(`executions.hold ${name}`, answer.outcome, oracle.hold(this.#world, name))
    } else {
      const answer = await executions.release(params)
      this.#expect(`executions.release ${name}`, answer.outcome, oracle.release(this.#world, name))
    }
  }

  async #advance(): Promise<void> {
    await this.#stage.backend.maintenance.advanceTime({ byMs: advanceMs })
    const lost = oracle.advance(this.#world, advanceMs)
    this.#log.push(`  advance by ${advanceMs}`)
    for (const name of lost) this.#leases.retire(name, 'lapsed')
  }

  async #seal(): Promise<void> {
    if (this.#world.flow !== 'draft' && this.#world.flow !== 'open') return
    const answer = await this.#stage.backend.flows.seal({ namespace, flowId: this.#flowId })
    this.#expect('flows.seal', answer.outcome, oracle.seal(this.#world))
  }

  async #extend(step: Extract<Step, { op: 'extend' }>): Promise<void> {
    const graph = buildNodes(step.nodes, this.#world.nodes.size)
    const size = this.#world.nodes.size + graph.specs.length
    const edges = [...graph.edges]
    for (const [from, to] of step.joins) {
      const edge = { from: nodeName(from % size), to: nodeName(to % size) }
      const taken = [...this.#world.edges, ...edges].some((e) => e.from === edge.from && e.to === edge.to)
      const joinless = graph.specs.some(({ name, join }) => name === edge.to && join === null)
      // A call that breaks a rule of graphs is another test's: here it would only be refused before all else.
      if (!taken && !joinless && edge.from !== edge.to) edges.push(edge)
    }
    if (graph.specs.length + edges.length === 0) return
    const expected = oracle.extend(this.#world, { nodes: graph.specs, edges })
    if (expected === 'extended') this.#world.revision += 1
    const sent = this.#toGraph({ ...graph, edges })
    const outcome = await this.#stage.backend.flows
      .extend({ namespace, flowId: this.#flowId, ...sent })
      .then((answer) => answer.outcome)
      .catch(codeOf)
    const drawn = edges.map(({ from, to }) => `${from}→${to}`).join(' ')
    // Where the graph has a cycle and a target is shut too, either refusal is right.
    const right = expected === 'cycle' || outcome !== 'cycle' ? expected : outcome
    if (outcome !== 'cycle' || expected !== 'edge_group_decided')
      this.#expect(`flows.extend ${drawn}`, outcome, right)
  }

  async #cancelFlow(
    policy: 'cancel_all' | 'cancel_pending' | 'flow_only',
    finalisers: boolean,
  ): Promise<void> {
    const world = this.#world
    // What a narrower later call means for finalisers, and `flow_only` for a draft, no document says.
    if (policy === 'flow_only' && world.flow === 'draft') return
    if (world.policy === 'cancel_all' && policy === 'cancel_pending') return
    const params = { namespace, flowId: this.#flowId, policy, finalisers }
    const answer = await this.#stage.backend.flows.cancel(params)
    const expected = oracle.cancelFlow(world, policy, finalisers)
    const outcome = answer.outcome === 'cancelled' && expected === 'cancelling' ? expected : answer.outcome
    this.#expect(`flows.cancel ${policy}${finalisers ? '' : ' with finalisers'}`, outcome, expected)
  }

  async #replay(from: 'failed' | readonly number[]): Promise<void> {
    const names = from === 'failed' ? from : [...new Set(from.map((pick) => this.#pickMember(pick)))]
    const expected = oracle.replay(this.#world, names)
    const ids = names === 'failed' ? names : names.map((name) => this.#idOf(name))
    const answer = await this.#stage.backend.flows.replay({ namespace, flowId: this.#flowId, from: ids })
    this.#expect(`flows.replay ${String(names)}`, answer.outcome, expected)
  }

  /** Ends all that is left, so that the flow must end too: nothing may be stuck for ever. */
  async #finish(): Promise<void> {
    if (this.#world.flow === 'draft') {
      await this.#seal()
      await this.#check()
    }
    for (let turn = 0; this.#unended().length > 0; turn += 1) {
      if (turn > 400) throw new Error(`stuck: ${this.#unended().map(({ name }) => name)} never end`)
      const held = this.#unended().find((node) => node.held)
      const live = this.#leases.pick(0, 'live') !== undefined
      if (held) await this.#operate('release', held.name)
      else if (live)
        await this.#end(turn, ((this.#script.tail >> (turn % 30)) & 1) === 1 ? 'failure' : 'success')
      else if (this.#unended().some((node) => oracle.isClaimable(this.#world, node)))
        await this.#claim(100, longLeaseMs)
      else await this.#advance()
      await this.#check()
    }
  }

  async #check(): Promise<void> {
    await this.#stage.settle()
    const shown = await this.#look()
    this.#refute(settle(this.#world, seenEnds(shown)))
    this.#refute(compare(this.#world, shown))
    this.#leases.review((name) => nodeOf(this.#world, name))
  }

  async #look(): Promise<Shown> {
    const { flows } = this.#stage.backend
    const params = { namespace, flowId: this.#flowId }
    const nodes: FlowNodeView[] = []
    let cursor: string | undefined
    do {
      const page = await flows.getGraph({ ...params, limit: 1_000, cursor })
      nodes.push(...page.items)
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    const { flow } = await flows.get(params)
    // Reading the result of an open flow again and again would only say that it is open.
    const isOpen = flow.terminalAtMs === null && this.#world.flow === 'open'
    const result = isOpen
      ? { outcome: 'pending' as const, flowState: flow.state }
      : await flows.getResult(params)
    return { flow, nodes, result }
  }

  #toGraph(built: BuiltNodes): { nodes: FlowNode[]; edges: FlowEdge[] } {
    for (const { name } of built.specs) {
      const id = mintExecutionIdInFlow(this.#flowId, this.#stage.partitionCount)
      this.#ids.set(name, id)
      this.#names.set(id, name)
    }
    return toFlowGraph(built, { lane: this.#lane, kind, idOf: (name) => this.#idOf(name) })
  }

  #idOf(name: string): ExecutionId {
    const id = this.#ids.get(name)
    if (id === undefined) throw new Error(`no id for ${name}`)
    return id
  }

  #pickMember(pick: number): string {
    return nodeName(pick % this.#world.nodes.size)
  }

  #unended(): OracleNode[] {
    return [...this.#world.nodes.values()].filter(({ ended }) => ended === null)
  }

  #expect(what: string, outcome: string | undefined, expected: string): void {
    this.#note(what, outcome)
    if (outcome !== expected) this.#refute([`${what}: ${outcome}, expected ${expected}`])
  }

  #note(what: string, outcome: string | undefined, more = ''): void {
    this.#log.push(`  ${what} ${more}: ${outcome}`)
    const late = what.endsWith('late') ? ', late' : ''
    tally(this.#tallies, `${what.split(' ')[0]}${late}`, outcome ?? 'nothing')
  }

  #refute(found: readonly string[]): void {
    if (found.length > 0) throw new Error(`the store differs from the oracle:\n  ${found.join('\n  ')}`)
  }

  #drawGraph(): string {
    return [...this.#world.nodes.values()]
      .map(({ name, group, ended }) => {
        const ups = incoming(this.#world, name).map(({ from }) => from)
        const join = group === null ? '' : ` ${JSON.stringify(group.join)} ${group.decision}`
        return `  ${name} ← ${ups.join(' ') || 'nothing'}${join} ${ended ? JSON.stringify(ended) : ''}`
      })
      .join('\n')
  }
}

function codeOf(error: unknown): string {
  if (isEngineError(error)) return error.code
  throw error
}
