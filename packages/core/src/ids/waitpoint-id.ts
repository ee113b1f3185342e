import type { Brand } from '../brand.js'
import { deriveUuid } from './derive-uuid.js'
import type { ExecutionId } from './execution-id.js'
import { createPartitionedIdGrammar, partitionIndexOf } from './partitioned-id.js'

/** Names what a suspension waits on. Lives in its execution's partition. Text form `{fp:N}:<uuid>`. */
export type WaitpointId = Brand<string, 'WaitpointId'>

const grammar = createPartitionedIdGrammar<WaitpointId>('waitpoint')

/** Parses `{fp:N}:<uuid>` strictly. Throws `invalid_waitpoint_id`. */
export const parseWaitpointId: (text: string) => WaitpointId = grammar.parse

/** Whether the value is the text of a WaitpointId. */
export const isWaitpointId: (value: unknown) => value is WaitpointId = grammar.matches

/** Mints a new id (UUIDv7) in the given partition of the flow family. */
export const mintWaitpointId: (partitionIndex: number) => WaitpointId = grammar.mint

/** The id of an execution's waitpoint of that name, unless whoever created it gave it another one. */
export function deriveWaitpointId(executionId: ExecutionId, name: string): WaitpointId {
  return grammar.make(partitionIndexOf(executionId), deriveUuid('waitpoint', executionId, name))
}
