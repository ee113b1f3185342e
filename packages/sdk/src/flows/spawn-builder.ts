import type { AnyTask, NoUpstream, Task } from '../tasks/task.js'
import type { UpstreamList } from '../tasks/upstream.js'
import { createFlowBuilder, type FlowBuilder } from './flow-builder.js'
import type { GraphBuilder } from './graph-builder.js'
import { listEdges } from './joins.js'
import { ExistingRef, MapRef, NodeRef, type Source } from './refs.js'

/** Builds what a running member adds to its own flow. */
export interface SpawnBuilder extends FlowBuilder {
  /** The member that is running. */
  readonly self: NodeRef
  /** A member that the flow was submitted with, by its name. */
  existing<Upstream>(name: string, task: Task<never, unknown, Upstream, unknown>): ExistingRef<Upstream>
  existing(name: string): ExistingRef<NoUpstream>
  /**
   * Makes an existing member wait for these too, with their results handed down by name. It must not have been claimed,
   * and its join must be undecided: so it is as long as this member is itself one of its upstreams.
   */
  feed<Upstream>(target: ExistingRef<Upstream>, sources: SourcesOf<Upstream>): void
  feed(target: ExistingRef<never>, ...sources: readonly Source[]): void
}

/** For each result that may be handed down, what can hand it down. */
export type SourcesOf<Upstream> = {
  readonly [Name in keyof Upstream]?: Upstream[Name] extends UpstreamList<infer Output>
    ? MapRef<Output>
    : NodeRef<Upstream[Name]>
}

export function createSpawnBuilder(builder: GraphBuilder, self: string): SpawnBuilder {
  const existing = (name: string, _task?: AnyTask) => new ExistingRef<never>(name)
  const feed = (target: ExistingRef<never>, ...sources: readonly unknown[]) => {
    for (const edge of listEdges(readNamed(sources))) builder.addEdge({ ...edge, to: target.name })
  }
  return {
    ...createFlowBuilder(builder),
    self: new NodeRef(self),
    existing: existing as SpawnBuilder['existing'],
    feed: feed as SpawnBuilder['feed'],
  }
}

function readNamed(sources: readonly unknown[]): readonly (readonly [string | undefined, Source])[] {
  const [first] = sources
  if (first instanceof NodeRef || first instanceof MapRef || first === undefined) {
    return (sources as readonly Source[]).map((source) => [undefined, source])
  }
  return Object.entries(first as Readonly<Record<string, Source>>)
}
