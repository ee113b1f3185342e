declare const output: unique symbol
declare const upstream: unique symbol

/** A node of a graph that is being built, with the type of its result. */
export class NodeRef<Output = unknown> {
  declare readonly [output]: Output
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** A member that the flow already has, with what its task may be handed down. */
export class ExistingRef<Upstream = unknown> {
  declare readonly [upstream]: (value: Upstream) => void
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

/** The nodes of a map, one for each element of its list, in the list's order. */
export class MapRef<Output = unknown> {
  declare readonly [output]: Output
  readonly name: string
  readonly nodes: readonly NodeRef<Output>[]

  constructor(name: string, nodes: readonly NodeRef<Output>[]) {
    this.name = name
    this.nodes = nodes
  }
}

/** What an edge, or a bundle of them, can begin at. */
export type Source<Output = unknown> = NodeRef<Output> | MapRef<Output>
export type NamedSources = Readonly<Record<string, Source>>
