import {
  type CancelFlowOutcome,
  type ClaimedExecution,
  type CompleteOutcome,
  type EdgeView,
  type Execution,
  type ExecutionId,
  type ExtendFlowOutcome,
  type FailLease,
  type FailOutcome,
  type Flow,
  type FlowEdge,
  type FlowId,
  type FlowNode,
  type FlowNodeView,
  type FlowOptions,
  type FlowResultOutcome,
  type FoundationBackend,
  type GroupView,
  type JoinSpec,
  type LaneId,
  limits,
  mintClaimId,
  mintExecutionIdInFlow,
  mintFlowId,
  mintInstanceId,
  must,
  type Namespace,
  type PartitionTag,
  type PublicState,
  parseKind,
  parseLaneId,
  parseWorkerId,
  type ReplayFlowOutcome,
  type SubmitFlowOutcome,
  unreachable,
} from '@flowfabric/core'
import { vi } from 'vitest'
import { type DriveOptions, settle } from './drive.js'

/** A store under test, and the partitions that its own loops would visit. */
export interface FlowStage {
  readonly backend: FoundationBackend
  readonly namespace: Namespace
  readonly partitions: readonly PartitionTag[]
}

/** A node as a test states it: what it comes after, and whatever of a node's specification it cares about. */
export interface NodePlan extends Partial<Omit<FlowNode, 'id' | 'name' | 'kind'>> {
  /** Upstreams, by name; as an object, with the name under which each hands down its result. */
  readonly after?: readonly string[] | Readonly<Record<string, string>>
  readonly join?: JoinSpec
}

export type GraphPlan = Readonly<Record<string, NodePlan>>

let count = 0

/** One flow of a test, spoken to by the names of its nodes. Each node has a kind and the flow a lane of its own, so that a claim gets what it asks for. */
export class FlowDriver {
  readonly stage: FlowStage
  readonly flowId: FlowId
  readonly lane: LaneId
  readonly #ids: Map<string, ExecutionId>
  readonly #leases: Map<string, ClaimedExecution>
  readonly #instanceId = mintInstanceId()

  constructor(stage: FlowStage, flowId: FlowId = mintFlowId(), twin?: FlowDriver) {
    this.stage = stage
    this.flowId = flowId
    this.#ids = twin === undefined ? new Map() : twin.#ids
    this.#leases = twin === undefined ? new Map() : twin.#leases
    if (twin === undefined) count += 1
    this.lane = twin === undefined ? parseLaneId(`flow-${count}`) : twin.lane
  }

  /** Submits a whole graph; throws unless it is accepted. */
  static async submit(
    stage: FlowStage,
    plan: GraphPlan,
    options: Partial<FlowOptions> = {},
  ): Promise<FlowDriver> {
    const driver = new FlowDriver(stage, options.flowId)
    const answer = await driver.submit(plan, options)
    if (answer.outcome !== 'accepted') throw new Error(`the flow was not accepted: ${answer.outcome}`)
    return driver
  }

  /** The same flow, spoken to through another backend on the same store; leases are shared. */
  through(backend: FoundationBackend): FlowDriver {
    return new FlowDriver({ ...this.stage, backend }, this.flowId, this)
  }

  submit(plan: GraphPlan, options: Partial<FlowOptions> = {}): Promise<SubmitFlowOutcome> {
    return this.#flows.submit({ ...this.#named, ...options, flowId: this.flowId, ...this.toGraph(plan) })
  }

  extend(
    plan: GraphPlan,
    more: {
      readonly edges?: readonly FlowEdge[]
      readonly expectedRevision?: number
      readonly handle?: string
    } = {},
  ): Promise<ExtendFlowOutcome> {
    const graph = this.toGraph(plan)
    const { edges = [], ...rest } = more
    return this.#flows.extend({
      ...this.#named,
      ...rest,
      nodes: graph.nodes,
      edges: [...graph.edges, ...edges],
    })
  }

  /** Turns a plan into nodes and edges, and mints ids for names that have none. */
  toGraph(plan: GraphPlan): { readonly nodes: FlowNode[]; readonly edges: FlowEdge[] } {
    for (const name of Object.keys(plan)) {
      if (!this.#ids.has(name))
        this.#ids.set(name, mintExecutionIdInFlow(this.flowId, this.stage.partitions.length))
    }
    const nodes: FlowNode[] = []
    const edges: FlowEdge[] = []
    for (const [name, { after = [], ...spec }] of Object.entries(plan)) {
      nodes.push({ lane: this.lane, input: null, ...spec, id: this.id(name), name, kind: parseKind(name) })
      if (Array.isArray(after)) for (const up of after) edges.push({ from: this.id(up), to: this.id(name) })
      else
        for (const [up, as] of Object.entries(after)) edges.push({ from: this.id(up), to: this.id(name), as })
    }
    return { nodes, edges }
  }

  edge(from: string, to: string, as?: string): FlowEdge {
    return { from: this.id(from), to: this.id(to), ...(as === undefined ? {} : { as }) }
  }

  id(name: string): ExecutionId {
    return must(this.#ids.get(name), `the id of node ${name}`)
  }

  /** Claims the named nodes; throws unless it gets all of them. */
  async start(...names: string[]): Promise<void> {
    const got = await this.tryStart(...names)
    const missed = names.filter((name) => !got.includes(name))
    if (missed.length > 0) throw new Error(`not claimable: ${missed.join(', ')}`)
  }

  /** Claims a node that another session's maintenance may hold for a moment: a claim passes over locked rows. */
  async startAmongOthers(name: string): Promise<void> {
    await vi.waitUntil(async () => (await this.tryStart(name)).length > 0, { timeout: 10_000, interval: 5 })
  }

  /** Claims what of the named nodes is claimable, and says which were. A claim looks at a bounded number of kinds. */
  async tryStart(...names: string[]): Promise<string[]> {
    const got: string[] = []
    for (let at = 0; at < names.length; at += limits.routesPerClaimMax)
      got.push(...(await this.#claim(names.slice(at, at + limits.routesPerClaimMax))))
    return got
  }

  async #claim(names: readonly string[]): Promise<string[]> {
    const answer = await this.stage.backend.leases.claim({
      claimId: mintClaimId(),
      workerId: parseWorkerId('driver'),
      instanceId: this.#instanceId,
      namespaces: [this.stage.namespace],
      lanes: [this.lane],
      kinds: names.map(parseKind),
      capabilities: [],
      max: names.length,
      leaseTtlMs: 600_000,
    })
    const leases = answer.outcome === 'claimed' ? answer.leases : []
    for (const lease of leases) this.#leases.set(must(lease.name, 'a name'), lease)
    return leases.map(({ name }) => must(name, 'a name'))
  }

  lease(name: string): ClaimedExecution {
    return must(this.#leases.get(name), `the lease of ${name}`)
  }

  async complete(name: string, result: string | null = null): Promise<CompleteOutcome['outcome']> {
    const bytes = result === null ? null : new TextEncoder().encode(result)
    const items = [{ handle: this.lease(name).handle, result: bytes }]
    const answer = await this.stage.backend.leases.complete({ namespaces: [this.stage.namespace], items })
    return must(answer.items[0], 'an answer').outcome
  }

  async fail(name: string, retry: FailLease['retry'] = 'never'): Promise<FailOutcome['outcome']> {
    const failure = { category: 'error', message: `${name} failed` }
    const items = [{ handle: this.lease(name).handle, failure, retry }]
    const answer = await this.stage.backend.leases.fail({ namespaces: [this.stage.namespace], items })
    return must(answer.items[0], 'an answer').outcome
  }

  /** Claims and ends a node, by its public way. */
  async end(name: string, outcome: 'success' | 'failed' | 'cancelled'): Promise<void> {
    if (outcome === 'cancelled') return this.cancelMember(name)
    await this.start(name)
    const answer =
      outcome === 'success' ? await this.complete(name, `result of ${name}`) : await this.fail(name)
    if (answer !== 'completed' && answer !== 'failed') throw new Error(`${name} was answered ${answer}`)
  }

  async cancelMember(name: string): Promise<void> {
    const { namespace, backend } = this.stage
    const answer = await backend.executions.cancel({ namespace, id: this.id(name) })
    if (answer.outcome !== 'cancelled') throw new Error(`${name} was answered ${answer.outcome}`)
  }

  cancel(
    policy: 'cancel_all' | 'cancel_pending' | 'flow_only',
    more: { readonly finalisers?: boolean; readonly waitMs?: number } = {},
  ): Promise<CancelFlowOutcome> {
    return this.#flows.cancel({ ...this.#named, policy, ...more })
  }

  replay(
    from: 'failed' | readonly string[],
    inputs: Readonly<Record<string, string>> = {},
  ): Promise<ReplayFlowOutcome> {
    return this.#flows.replay({
      ...this.#named,
      from: from === 'failed' ? from : from.map((name) => this.id(name)),
      inputs: Object.entries(inputs).map(([name, text]) => ({
        id: this.id(name),
        input: new TextEncoder().encode(text),
      })),
    })
  }

  /** Lets everything that follows happen. */
  settle(options?: DriveOptions): Promise<boolean> {
    return settle(this.stage.backend, this.stage.partitions, options)
  }

  async flow(): Promise<Flow> {
    return (await this.#flows.get(this.#named)).flow
  }

  async graph(): Promise<FlowNodeView[]> {
    const nodes: FlowNodeView[] = []
    let cursor: string | undefined
    do {
      const page = await this.#flows.getGraph({ ...this.#named, cursor, limit: 1_000 })
      nodes.push(...page.items)
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    return nodes
  }

  async node(name: string): Promise<FlowNodeView> {
    const id = this.id(name)
    return must(
      (await this.graph()).find(({ execution }) => execution.id === id),
      `node ${name}`,
    )
  }

  async execution(name: string): Promise<Execution> {
    const { namespace, backend } = this.stage
    return (await backend.executions.get({ namespace, id: this.id(name) })).execution
  }

  async group(name: string): Promise<GroupView> {
    return must((await this.node(name)).group, `the group of ${name}`)
  }

  async edgeTo(name: string, from: string): Promise<EdgeView> {
    const id = this.id(from)
    return must(
      (await this.node(name)).incoming.find((edge) => edge.from === id),
      `the edge ${from} → ${name}`,
    )
  }

  /** The public state of each node, by name. */
  async states(): Promise<Record<string, PublicState>> {
    const nodes = await this.graph()
    return Object.fromEntries(nodes.map(({ execution: { name, publicState } }) => [name, publicState]))
  }

  async state(name: string): Promise<PublicState> {
    return (await this.execution(name)).publicState
  }

  result(): Promise<FlowResultOutcome> {
    return this.#flows.getResult(this.#named)
  }

  /** The texts that the named sinks left; throws while the flow has not ended. */
  async results(): Promise<Record<string, string | null>> {
    const answer = await this.result()
    switch (answer.outcome) {
      case 'pending':
        throw new Error(`the flow is ${answer.flowState}`)
      case 'completed':
      case 'failed':
      case 'cancelled':
        return Object.fromEntries(
          Object.entries(answer.results).map(([name, bytes]) => [name, textOf(bytes)]),
        )
      default:
        return unreachable(answer)
    }
  }

  get #flows() {
    return this.stage.backend.flows
  }

  get #named() {
    return { namespace: this.stage.namespace, flowId: this.flowId }
  }
}

export function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes)
}
