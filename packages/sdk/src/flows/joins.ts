import type { JoinPolicySpec, JoinSpec } from '@flowfabric/core'
import type { NoUpstream } from '../tasks/task.js'
import { formatListName, type UpstreamList } from '../tasks/upstream.js'
import { MapRef, type NamedSources, NodeRef, type Source } from './refs.js'

declare const values: unique symbol

/** How the edges into a node are joined, and what they hand down (`Values`, by name). */
export interface Joined<Values = NoUpstream> {
  readonly edges: readonly { readonly from: string; readonly as?: string | undefined }[]
  readonly join: JoinSpec
  readonly [values]?: Values
}

/** The results that named sources hand down. */
export type JoinedValues<Sources extends NamedSources> = {
  readonly [Name in keyof Sources]: Sources[Name] extends MapRef<infer Output>
    ? UpstreamList<Output>
    : Sources[Name] extends NodeRef<infer Output>
      ? Output
      : never
}

export interface JoinOptions {
  /** Decide and cancel at once, but run or skip the node only when every upstream has ended. */
  readonly settled?: boolean | undefined
  /** Cancel upstreams even where another undecided join still needs them. */
  readonly cancelShared?: boolean | undefined
  /** Leave ancestors alone that only fed what was cancelled. */
  readonly letAncestorsRun?: boolean | undefined
}

export interface AllOfOptions extends JoinOptions {
  /** Cancel the other branches as soon as one is lost. */
  readonly failFast?: boolean | undefined
}

export interface FirstOfOptions extends JoinOptions {
  /** Let the upstreams that the decision no longer needs run to their end, instead of cancelling them. */
  readonly letRun?: boolean | undefined
}

/** All upstreams must succeed. With names, `allOf({ a, b })`, their results are handed down; without, only the order counts. */
export function allOf<Sources extends NamedSources>(
  sources: Sources,
  options?: AllOfOptions,
): Joined<JoinedValues<Sources>>
export function allOf(...sources: readonly Source[]): Joined
export function allOf(sources: readonly Source[], options?: AllOfOptions): Joined
export function allOf(...args: readonly unknown[]): Joined {
  const { sources, options } = readArguments<AllOfOptions>(args)
  const policy: JoinPolicySpec | undefined = options.failFast
    ? { kind: 'all_of', onImpossible: 'cancel_remaining' }
    : undefined
  return { edges: listEdges(sources), join: { ...(policy && { policy }), ...readOptions(options) } }
}

/** One upstream must succeed; the others are cancelled then, unless `letRun`. */
export function anyOf<Sources extends NamedSources>(
  sources: Sources,
  options?: FirstOfOptions,
): Joined<JoinedValues<Sources>>
export function anyOf(...sources: readonly Source[]): Joined
export function anyOf(sources: readonly Source[], options?: FirstOfOptions): Joined
export function anyOf(...args: readonly unknown[]): Joined {
  const { sources, options } = readArguments<FirstOfOptions>(args)
  return {
    edges: listEdges(sources),
    join: { policy: { kind: 'any_of', ...readLetRun(options) }, ...readOptions(options) },
  }
}

/** `k` upstreams must succeed; the others are cancelled then, unless `letRun`. */
export function quorum<Sources extends NamedSources>(
  k: number,
  sources: Sources,
  options?: FirstOfOptions,
): Joined<JoinedValues<Sources>>
export function quorum(k: number, sources: readonly Source[], options?: FirstOfOptions): Joined
export function quorum(k: number, ...args: readonly unknown[]): Joined {
  const { sources, options } = readArguments<FirstOfOptions>(args)
  return {
    edges: listEdges(sources),
    join: { policy: { kind: 'quorum', k, ...readLetRun(options) }, ...readOptions(options) },
  }
}

/** Whether the value was made by `allOf`, `anyOf` or `quorum`. */
export function isJoined(value: unknown): value is Joined {
  return typeof value === 'object' && value !== null && 'edges' in value && 'join' in value
}

interface Arguments<Options> {
  readonly sources: readonly (readonly [as: string | undefined, source: Source])[]
  readonly options: Options
}

function readArguments<Options extends object>(args: readonly unknown[]): Arguments<Options> {
  const [first, second] = args
  if (isSource(first) || first === undefined)
    return { sources: positional(args as readonly Source[]), options: {} as Options }
  const options = (second ?? {}) as Options
  if (Array.isArray(first)) return { sources: positional(first as readonly Source[]), options }
  return { sources: Object.entries(first as NamedSources), options }
}

function positional(sources: readonly Source[]): Arguments<object>['sources'] {
  return sources.map((source) => [undefined, source])
}

function isSource(value: unknown): value is Source {
  return value instanceof NodeRef || value instanceof MapRef
}

/** One edge for a node, one for each node of a map. */
export function listEdges(sources: Arguments<object>['sources']): Joined['edges'] {
  return sources.flatMap(([as, source]) => {
    if (source instanceof NodeRef) return [{ from: source.name, ...(as !== undefined && { as }) }]
    return source.nodes.map((node, index) => ({
      from: node.name,
      ...(as !== undefined && { as: formatListName(as, index) }),
    }))
  })
}

function readLetRun({ letRun }: FirstOfOptions): { onSatisfied?: 'let_run' | 'cancel_remaining' } {
  return letRun === undefined ? {} : { onSatisfied: letRun ? 'let_run' : 'cancel_remaining' }
}

function readOptions({ settled, cancelShared, letAncestorsRun }: JoinOptions): JoinSpec {
  return {
    ...(settled !== undefined && { settled }),
    ...(cancelShared !== undefined && { cancelShared }),
    ...(letAncestorsRun !== undefined && {
      ancestors: letAncestorsRun ? ('let_run' as const) : ('cancel' as const),
    }),
  }
}
