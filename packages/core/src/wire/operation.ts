import type { z } from 'zod'
import type { EngineError } from '../errors/engine-error.js'
import type { ExecutionId, FlowId } from '../ids/index.js'
import type { Namespace } from '../names.js'

/** What a client sends for a call, but for the address and the credentials. */
export interface WireRequest {
  /** Values of the path's `{names}`, not yet percent-encoded. */
  readonly path?: Readonly<Record<string, string>> | undefined
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>> | undefined
  readonly body?: unknown
  /** Beside those that every request has. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** What a server received, decoded from the URL and from JSON, but not yet judged. */
export interface WireCall {
  readonly namespace: Namespace
  readonly path: unknown
  readonly query: unknown
  readonly body: unknown
  /** By their names in lower case. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>> | undefined
  readonly mint: IdMint
}

/** Mints the ids that a caller leaves out: it knows the partition counts and the shards of lanes. */
export interface IdMint {
  readonly soloId: (namespace: Namespace, lane: string) => ExecutionId
  readonly flowId: () => FlowId
  /** Of a member, from its name where it has one: a repeat names the same. */
  readonly memberId: (flowId: FlowId, name: string | undefined) => ExecutionId
  /** A flow's id that follows from an idempotency key, for callers that state no id. */
  readonly keyedFlowId: (namespace: Namespace, idempotencyKey: string) => FlowId
}

/** What a server makes of a call: the operation's params, and which items of its batch were refused already. */
export interface ReadCall<Params> {
  readonly params: Params
  /** By place in the batch. The params hold only the items that are not here. */
  readonly refused?: ReadonlyMap<number, EngineError> | undefined
}

/**
 * One operation of the contract as it crosses HTTP, for both ends: the client writes requests and reads answers, the
 * server reads requests and writes answers, and the description of the API is made from the same schemas.
 */
export interface WireOperation<Params, Answer> {
  /** `<role>.<operation>`. */
  readonly name: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/v1`, with `{names}`. */
  readonly path: string
  readonly summary: string
  readonly tag: string
  readonly schemas: WireSchemas
  /** Status of an accepted call, 200 unless stated. */
  readonly status?: ((answer: Answer) => number) | undefined
  /** Codes of the refusing outcomes: problem documents on the wire, outcomes to both ends. Empty for batches. */
  readonly refusals: readonly string[]
  readonly writeRequest: (params: Params) => WireRequest
  readonly readRequest: (call: WireCall) => ReadCall<Params>
  readonly writeAnswer: (answer: Answer) => unknown
  readonly readAnswer: (json: unknown) => Answer
}

export interface WireSchemas {
  readonly path?: z.ZodObject | undefined
  readonly query?: z.ZodObject | undefined
  readonly body?: z.ZodType | undefined
  readonly answer: z.ZodType
}
