import type { Brand } from '../brand.js'
import { createPartitionedIdGrammar } from './partitioned-id.js'

/** Names an entry of a partition's outbox. Text form `{fp:N}:<uuid>`. */
export type EntryId = Brand<string, 'EntryId'>

const grammar = createPartitionedIdGrammar<EntryId>('entry')

/** Parses `{fp:N}:<uuid>` strictly. Throws `invalid_entry_id`. */
export const parseEntryId: (text: string) => EntryId = grammar.parse

/** Whether the value is the text of an EntryId. */
export const isEntryId: (value: unknown) => value is EntryId = grammar.matches

/** Joins a partition index and a UUID. Throws `partition_out_of_range` or `invalid_entry_id`. */
export const makeEntryId: (partitionIndex: number, uuid: string) => EntryId = grammar.make

/** Mints a new id (UUIDv7) in the given partition of the flow family. */
export const mintEntryId: (partitionIndex: number) => EntryId = grammar.mint
