import type { Brand } from '../brand.js'
import { scanPartitionIndex } from '../partitions/partition-tag.js'
import { invalidId } from './id-kind.js'
import { createPartitionedIdGrammar, partitionIndexOf, uuidOf } from './partitioned-id.js'
import { UUID_TEXT_LENGTH } from './uuid.js'
import { findUuidFault } from './uuid-id.js'

/**
 * Names an execution, and its partition for life: `{fp:7}:0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f`.
 * Minted whole, partition included, once, before the first try of the submit.
 */
export type ExecutionId = Brand<string, 'ExecutionId'>

const grammar = createPartitionedIdGrammar<ExecutionId>('execution')

/** Parses `{fp:N}:<uuid>` strictly. Throws `invalid_execution_id`. */
export const parseExecutionId: (text: string) => ExecutionId = grammar.parse

/** Whether the value is the text of an ExecutionId. */
export const isExecutionId: (value: unknown) => value is ExecutionId = grammar.matches

/** Joins a partition index and a UUID. Throws `partition_out_of_range` or `invalid_execution_id`. */
export const makeExecutionId: (partitionIndex: number, uuid: string) => ExecutionId = grammar.make

/** Mints a new id (UUIDv7) in the given partition; see `mintExecutionIdInFlow` and `mintSoloExecutionId`. */
export const mintExecutionId: (partitionIndex: number) => ExecutionId = grammar.mint

/** The form without braces that URLs may carry: `fp-7-<uuid>`. */
export function formatExecutionIdUrl(id: ExecutionId): string {
  return `${URL_START}${partitionIndexOf(id)}-${uuidOf(id)}`
}

/**
 * Parses a decoded path segment: `fp-N-<uuid>` or the form with braces. Throws `invalid_execution_id`.
 */
export function parseExecutionIdUrl(segment: string): ExecutionId {
  if (typeof segment !== 'string' || !segment.startsWith(URL_START)) return parseExecutionId(segment)
  const uuid = segment.slice(-UUID_TEXT_LENGTH)
  const uuidFault = findUuidFault(uuid)
  if (uuidFault !== undefined) throw invalidId('execution', uuidFault, segment)
  const digits = segment.slice(URL_START.length, -UUID_TEXT_LENGTH)
  const index = scanPartitionIndex(digits.endsWith('-') ? digits.slice(0, -1) : '')
  if (typeof index === 'string') throw invalidId('execution', index, segment)
  return makeExecutionId(index, uuid)
}

const URL_START = 'fp-'
