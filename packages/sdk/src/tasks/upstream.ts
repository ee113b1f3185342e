import type { PublicState } from '@flowfabric/core'
import type { AnySchema, OutputOf } from '../schema/standard-schema.js'
import type { Task } from './task.js'

/** What a task expects to be handed down, by the name of the edge: the task that makes it, or a schema of it. */
export type UpstreamSpec = Readonly<Record<string, UpstreamSource>>

type UpstreamSource = AnyUpstreamTask | AnySchema | UpstreamListSpec<AnyUpstreamTask | AnySchema>

/** Only the output of an upstream matters here. */
type AnyUpstreamTask = Task<never, unknown, never, unknown>

/** The results of all nodes of a map, in the order of its list. */
export interface UpstreamListSpec<Source> {
  readonly listOf: Source
}

/** Declares that a whole map is handed down under one name: `upstream: { counts: listOf(countLines) }`. */
export function listOf<Source extends AnyUpstreamTask | AnySchema>(source: Source): UpstreamListSpec<Source> {
  return { listOf: source }
}

declare const list: unique symbol

/** Marks a list of results, as opposed to one result that is an array. */
export interface UpstreamList<Output> {
  readonly [list]: Output
}

/** The results that a spec stands for. */
export type UpstreamValues<Spec extends UpstreamSpec> = { readonly [Name in keyof Spec]: ValueOf<Spec[Name]> }

type ValueOf<Source> =
  Source extends UpstreamListSpec<infer Each> ? UpstreamList<SingleValueOf<Each>> : SingleValueOf<Source>

type SingleValueOf<Source> =
  Source extends Task<infer _In, infer Output, infer _Up, infer _Parsed> ? Output : OutputOf<Source>

/** What one upstream handed down, as the step that decided the join saw it: every attempt sees the same. */
export type UpstreamView<Output> =
  | { readonly satisfied: true; readonly state: PublicState; readonly result: Output }
  /** It failed, was skipped or still ran. */
  | { readonly satisfied: false; readonly state: PublicState; readonly result: null }

/** The views of all that is handed down. */
export type UpstreamViews<Values> = {
  readonly [Name in keyof Values]: Values[Name] extends UpstreamList<infer Output>
    ? readonly UpstreamView<Output>[]
    : UpstreamView<Values[Name]>
}

/** The name of the edge at a place of a list: `counts[3]`. */
export function formatListName(name: string, index: number): string {
  return `${name}[${index}]`
}

const LIST_NAME_PATTERN = /^(.*)\[(0|[1-9][0-9]{0,9})\]$/s

/** Takes the name of an edge apart, if it is one of a list. */
export function parseListName(as: string): { readonly name: string; readonly index: number } | undefined {
  const match = LIST_NAME_PATTERN.exec(as)
  return match === null ? undefined : { name: match[1] ?? '', index: Number(match[2]) }
}
