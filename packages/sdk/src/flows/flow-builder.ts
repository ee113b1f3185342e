import type { RunOn } from '@flowfabric/core'
import type { TaskInput } from '../client/submit-options.js'
import type { AnyTask, NoUpstream, Task } from '../tasks/task.js'
import type { UpstreamList } from '../tasks/upstream.js'
import type { GraphBuilder, NodeOptions } from './graph-builder.js'
import { type AllOfOptions, allOf, isJoined, type Joined, listEdges } from './joins.js'
import { MapRef, NodeRef, type Source } from './refs.js'

/** Adds nodes that wait for the same upstreams. `Values` is what these hand down, by name. */
export interface Scope<Values> {
  /** A node that runs when the join lets it. Its task's upstream must be among what the join hands down. */
  node<Input, Output>(
    task: Task<Input, Output, Values, unknown>,
    ...rest: TaskInput<Input, NodeOptions>
  ): NodeRef<Output>
  /**
   * A node whose upstream is fed later, by a member that grows the flow (`ctx.spawn`, `f.feed`): it must be behind that
   * member, and what its task expects to be handed down is not checked here.
   */
  openNode<Input, Output>(
    task: Task<Input, Output, never, unknown>,
    ...rest: TaskInput<Input, NodeOptions>
  ): NodeRef<Output>
  /** One node for each element of the list, each behind the same join. */
  map<Input, Output>(
    list: readonly Input[],
    task: Task<Input, Output, Values, unknown>,
    options?: NodeOptions,
  ): FlowMap<Output>
}

/** Builds a graph in plain code. */
export interface FlowBuilder extends Scope<NoUpstream> {
  /** Behind a join, or behind all of these. */
  after<Values>(joined: Joined<Values>): Scope<Values>
  after(...sources: readonly Source[]): Scope<NoUpstream>
  /** A fallback: it runs when the join has become impossible, and is skipped when it held. */
  onFailure<Values>(joined: Joined<Values>): Scope<Values>
  onFailure(...sources: readonly Source[]): Scope<NoUpstream>
  /** A finaliser: it runs either way, once the last of its upstreams has ended. Of none: of all nodes that lead nowhere yet. */
  finally<Values>(joined: Joined<Values>): Scope<Values>
  finally(...sources: readonly Source[]): Scope<NoUpstream>
}

/** The nodes of a map, to be joined. */
export interface FlowMap<Output> extends MapRef<Output> {
  /** One node behind all of them, which is handed their results as the list `items`. */
  join<Input, Result>(
    task: Task<Input, Result, { readonly items: UpstreamList<Output> }, unknown>,
    ...rest: TaskInput<Input, NodeOptions & AllOfOptions>
  ): NodeRef<Result>
}

/** The name under which `map(…).join(…)` hands the results down. */
export const MAP_ITEMS = 'items'

export function createFlowBuilder(builder: GraphBuilder): FlowBuilder {
  const open = (args: readonly unknown[], runOn?: RunOn) => createScope(builder, readSources(args), runOn)
  return {
    ...createScope(builder, undefined, undefined),
    after: (...args: readonly unknown[]) => open(args),
    onFailure: (...args: readonly unknown[]) => open(args, 'groupImpossible'),
    finally: (...args: readonly unknown[]) => open(args.length === 0 ? builder.listSinks() : args, 'always'),
  }
}

function createScope<Values>(
  builder: GraphBuilder,
  joined: Joined | undefined,
  runOn: RunOn | undefined,
): Scope<Values> {
  const node = <Output>(task: AnyTask, ...[input, options]: readonly unknown[]) =>
    builder.addNode(task, input, options as NodeOptions, joined, runOn) as NodeRef<Output>
  return {
    node,
    openNode: node,
    map: <Input, Output>(
      list: readonly Input[],
      task: Task<Input, Output, Values, unknown>,
      options?: NodeOptions,
    ) => createFlowMap(builder, builder.addMap(list, task, options, joined, runOn) as MapRef<Output>),
  }
}

function createFlowMap<Output>(builder: GraphBuilder, map: MapRef<Output>): FlowMap<Output> {
  const join = <Input, Result>(
    task: Task<Input, Result, { readonly items: UpstreamList<Output> }, unknown>,
    ...[input, options]: readonly unknown[]
  ) => {
    const stated = (options ?? {}) as NodeOptions & AllOfOptions
    return builder.addNode(task, input, stated, allOf({ [MAP_ITEMS]: map }, stated)) as NodeRef<Result>
  }
  return Object.assign(map, { join })
}

function readSources(args: readonly unknown[]): Joined {
  const [first] = args
  if (isJoined(first)) return first
  const sources = args.filter((each): each is Source => each instanceof NodeRef || each instanceof MapRef)
  return { edges: listEdges(sources.map((source) => [undefined, source])), join: {} }
}
