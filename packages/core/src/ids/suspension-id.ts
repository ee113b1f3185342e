import type { Brand } from '../brand.js'
import { createPartitionedIdGrammar } from './partitioned-id.js'

/** Names one suspension of an execution, in its partition. Text form `{fp:N}:<uuid>`. */
export type SuspensionId = Brand<string, 'SuspensionId'>

const grammar = createPartitionedIdGrammar<SuspensionId>('suspension')

/** Parses `{fp:N}:<uuid>` strictly. Throws `invalid_suspension_id`. */
export const parseSuspensionId: (text: string) => SuspensionId = grammar.parse

/** Whether the value is the text of a SuspensionId. */
export const isSuspensionId: (value: unknown) => value is SuspensionId = grammar.matches

/** Mints a new id (UUIDv7) in the given partition of the flow family. */
export const mintSuspensionId: (partitionIndex: number) => SuspensionId = grammar.mint

/** Joins a partition index and a UUID. Throws `partition_out_of_range` or `invalid_suspension_id`. */
export const makeSuspensionId: (partitionIndex: number, uuid: string) => SuspensionId = grammar.make
