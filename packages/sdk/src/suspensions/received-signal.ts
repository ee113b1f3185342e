import type { ChildEnd, ResumedBy, Signal, SignalId, WaitpointId } from '@flowfabric/core'
import { type Codec, decodePayload } from '../payload/codec.js'
import type { AnySchema, OutputOf } from '../schema/standard-schema.js'
import { validate } from '../schema/validate.js'

/** Schemas of payloads, by the names of signals. */
export type SignalSchemas = Readonly<Record<string, AnySchema>>

/** A signal that came, its payload decoded. */
export interface ReceivedSignal<Name extends string = string, Payload = unknown> {
  readonly id: SignalId
  /** The waitpoint's name, or its id where the name is not known here; `null` for a `timeout` that the engine sent. */
  readonly waitpoint: string | null
  readonly name: Name
  readonly payload: Payload
  /** Who sent it, by credentials or by what was signed into a token; `null`: nobody in particular. */
  readonly source: string | null
  readonly receivedAtMs: number
}

type TypedSignals<Schemas extends SignalSchemas> = string extends keyof Schemas
  ? ReceivedSignal
  : { [Name in keyof Schemas & string]: ReceivedSignal<Name, OutputOf<Schemas[Name]>> }[keyof Schemas &
      string]

/** How a suspension was resumed. */
export interface Resumed<Schemas extends SignalSchemas = SignalSchemas> {
  /** By its condition, its timeout, or an operator who would not let it wait on. */
  readonly by: ResumedBy
  readonly atMs: number
  /** Those by which it held, or that had counted until then, in the order of their arrival. With schemas: those of them. */
  readonly signals: readonly TypedSignals<Schemas>[]
  /** Signals of names without a schema, where there are schemas. */
  readonly others: readonly ReceivedSignal[]
  readonly children: readonly ChildEnd[]
}

/** Decodes a signal, and checks its payload if its name has a schema. Throws `invalid_params`. */
export async function readSignal(
  codec: Codec,
  { id, waitpointId, name, payload, source, receivedAtMs }: Signal,
  names: ReadonlyMap<WaitpointId, string>,
  schemas: SignalSchemas = {},
): Promise<ReceivedSignal> {
  const decoded = await decodePayload(codec, payload)
  const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined
  return {
    id,
    waitpoint: waitpointId === null ? null : (names.get(waitpointId) ?? waitpointId),
    name,
    payload: await validate(schema, decoded, `payload of the signal ${name}`),
    source,
    receivedAtMs,
  }
}
