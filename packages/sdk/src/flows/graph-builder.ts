import {
  engineError,
  type JoinSpec,
  parseCapabilities,
  parseLaneId,
  type RunOn,
  requireFreeName,
} from '@flowfabric/core'
import type { WorkOptions } from '../client/submit-options.js'
import { validate } from '../schema/validate.js'
import { resolveRetry } from '../tasks/define-task.js'
import type { AnyTask } from '../tasks/task.js'
import type { GraphEdge, GraphNode } from './graph.js'
import type { Joined } from './joins.js'
import { MapRef, NodeRef } from './refs.js'

export interface NodeOptions extends WorkOptions {
  /** Unique in the flow; default: the task's kind, with a number from the second one on. */
  readonly name?: string | undefined
}

/** Collects nodes and edges by name. What it holds is always a DAG: an edge ends at the node that is being added. */
export class GraphBuilder {
  readonly nodes: GraphNode[] = []
  readonly edges: GraphEdge[] = []
  /** Checks of inputs by schemas that are asynchronous. */
  readonly checks: Promise<unknown>[] = []
  readonly #names = new Set<string>()
  /** The number that the next node of a kind is named with, unless somebody has named one so. */
  readonly #numbers = new Map<string, number>()
  readonly #upstreams = new Set<string>()

  addNode(task: AnyTask, input: unknown, options?: NodeOptions, joined?: Joined, runOn?: RunOn): NodeRef {
    const name = this.#takeName(options?.name, task.kind)
    const checked = validate(task.input, input, `input of node ${name}`)
    if (checked instanceof Promise) {
      checked.catch(() => undefined)
      this.checks.push(checked)
    }
    const join = joined === undefined ? undefined : readJoin(joined, runOn)
    this.nodes.push({ ...describeWork(task, options), name, input, ...(join && { join }) })
    for (const edge of joined?.edges ?? []) this.addEdge({ ...edge, to: name })
    return new NodeRef(name)
  }

  addMap(
    list: readonly unknown[],
    task: AnyTask,
    options: NodeOptions = {},
    joined?: Joined,
    runOn?: RunOn,
  ): MapRef {
    const base = options.name ?? task.kind
    const nodes = list.map((input, index) =>
      this.addNode(task, input, { ...options, name: `${base}[${index}]` }, joined, runOn),
    )
    return new MapRef(base, nodes)
  }

  addEdge(edge: GraphEdge): void {
    this.#upstreams.add(edge.from)
    this.edges.push(edge)
  }

  /** Nodes without outgoing edges so far. */
  listSinks(): readonly NodeRef[] {
    return this.nodes.filter(({ name }) => !this.#upstreams.has(name)).map(({ name }) => new NodeRef(name))
  }

  #takeName(wanted: string | undefined, kind: string): string {
    if (wanted !== undefined) {
      requireFreeName(wanted, 'node')
      if (this.#names.has(wanted)) {
        throw engineError('duplicate_name', `Two nodes are named ${wanted}`, { name: wanted })
      }
      this.#names.add(wanted)
      return wanted
    }
    for (let number = this.#numbers.get(kind) ?? 1; ; number++) {
      const name = number === 1 ? kind : `${kind}-${number}`
      if (this.#names.has(name)) continue
      this.#names.add(name)
      this.#numbers.set(kind, number + 1)
      return name
    }
  }
}

/** The default join is left out, so that a graph reads as it was written. */
function readJoin(joined: Joined, runOn: RunOn | undefined): JoinSpec | undefined {
  const join = runOn === undefined ? joined.join : { ...joined.join, runOn }
  return Object.keys(join).length === 0 ? undefined : join
}

/** What a node or an execution says of itself. */
export type Work = Omit<GraphNode, 'name' | 'input' | 'join'>

/** The task's policies, then the options. Absent fields are left out. */
export function describeWork(task: AnyTask, options?: WorkOptions): Work {
  return options === undefined ? describePlainWork(task) : describeWorkWith(task, options)
}

const plainWorks = new WeakMap<AnyTask, Work>()

/** What most work says, made once for each task. */
function describePlainWork(task: AnyTask): Work {
  const known = plainWorks.get(task)
  if (known !== undefined) return known
  const work = describeWorkWith(task, {})
  plainWorks.set(task, work)
  return work
}

function describeWorkWith(task: AnyTask, options: WorkOptions): Work {
  const { spec } = task
  const capabilities =
    options.capabilities === undefined ? spec.capabilities : parseCapabilities(options.capabilities)
  const timeouts =
    options.timeouts === undefined && options.deadlineMs === undefined
      ? spec.timeouts
      : {
          ...spec.timeouts,
          ...options.timeouts,
          ...(options.deadlineMs !== undefined && { deadlineMs: options.deadlineMs }),
        }
  const stated = {
    priority: options.priority ?? spec.priority,
    capabilities: capabilities.length === 0 ? undefined : capabilities,
    tags: options.tags === undefined ? spec.tags : { ...spec.tags, ...options.tags },
    retry: options.retry === undefined ? spec.retry : resolveRetry(options.retry),
    timeouts,
    delayMs: options.delayMs,
    startAtMs: options.startAt === undefined ? undefined : Number(options.startAt),
    retentionMs: options.retentionMs ?? spec.retentionMs,
    maxReclaims: spec.maxReclaims,
    traceContext: options.traceContext,
    budgets: options.budgets,
    quotas: options.quotas,
  }
  const lane = options.lane === undefined ? spec.lane : parseLaneId(options.lane)
  return { kind: task.kind, lane, ...dropAbsent(stated) }
}

function dropAbsent<Fields extends object>(fields: Fields): Partial<Fields> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Partial<Fields>
}
