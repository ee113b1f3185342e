import type { Brand } from '../brand.js'
import { createPartitionedIdGrammar } from './partitioned-id.js'

/** Names a message delivered to a waitpoint, in the waitpoint's partition. Text form `{fp:N}:<uuid>`. */
export type SignalId = Brand<string, 'SignalId'>

const grammar = createPartitionedIdGrammar<SignalId>('signal')

/** Parses `{fp:N}:<uuid>` strictly. Throws `invalid_signal_id`. */
export const parseSignalId: (text: string) => SignalId = grammar.parse

/** Whether the value is the text of a SignalId. */
export const isSignalId: (value: unknown) => value is SignalId = grammar.matches

/** Mints a new id (UUIDv7) in the given partition of the flow family. */
export const mintSignalId: (partitionIndex: number) => SignalId = grammar.mint
