import { applyBrand, type Brand } from '../brand.js'
import {
  makePartitionTag,
  type PartitionTag,
  requirePartitionIndex,
  scanPartitionTag,
} from '../partitions/partition-tag.js'
import type { EntryId } from './entry-id.js'
import type { ExecutionId } from './execution-id.js'
import { type IdFault, invalidId, type PartitionedIdKind } from './id-kind.js'
import { mintUuid } from './mint-uuid.js'
import type { SignalId } from './signal-id.js'
import type { SuspensionId } from './suspension-id.js'
import { UUID_TEXT_LENGTH } from './uuid.js'
import { findUuidFault } from './uuid-id.js'
import type { WaitpointId } from './waitpoint-id.js'

/** An id that carries its partition for life, `{fp:N}:<uuid>`: routing it needs no look-up and no count. */
export type PartitionedId = ExecutionId | WaitpointId | SuspensionId | SignalId | EntryId

/** How ids of one kind are read and made. */
export interface PartitionedIdGrammar<Id> {
  readonly parse: (text: string) => Id
  readonly matches: (value: unknown) => value is Id
  readonly make: (partitionIndex: number, uuid: string) => Id
  readonly mint: (partitionIndex: number) => Id
}

const TAG_START = '{fp:'
const SEPARATOR = '}:'

/** The grammar of a kind of ids that carry their partition. */
export function createPartitionedIdGrammar<Id extends Brand<string, string>>(
  idKind: PartitionedIdKind,
): PartitionedIdGrammar<Id> {
  const make = (partitionIndex: number, uuid: string): Id => {
    requirePartitionIndex(partitionIndex, PARTITION_INDEX_COUNT)
    const fault = findUuidFault(uuid)
    if (fault !== undefined) throw invalidId(idKind, fault, uuid)
    return applyBrand<Id>(`${TAG_START}${partitionIndex}${SEPARATOR}${uuid}`)
  }
  return {
    parse: (text) => {
      const fault = findPartitionedIdFault(text)
      if (fault !== undefined) throw invalidId(idKind, fault, text)
      return applyBrand<Id>(text)
    },
    matches: (value): value is Id => findPartitionedIdFault(value) === undefined,
    make,
    mint: (partitionIndex) => make(partitionIndex, mintUuid()),
  }
}

/** The index of the id's partition in the flow family. */
export function partitionIndexOf(id: PartitionedId): number {
  return partitionIndexIn(id)
}

/** The tag of the id's partition. */
export function partitionTagOf(id: PartitionedId): PartitionTag {
  return makePartitionTag('flow', partitionIndexOf(id))
}

/** The UUID in the id. */
export function uuidOf(id: PartitionedId): string {
  return id.slice(-UUID_TEXT_LENGTH)
}

const PARTITION_INDEX_COUNT = 65_536
/** All of the grammar but the index's range, so that the usual case costs one match. */
const PARTITIONED_ID_PATTERN =
  /^\{fp:(?:0|[1-9][0-9]{0,4})\}:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

function partitionIndexIn(text: string): number {
  return Number(text.slice(TAG_START.length, text.indexOf('}')))
}

function findPartitionedIdFault(text: unknown): IdFault | undefined {
  if (typeof text !== 'string') return 'not_a_text'
  if (PARTITIONED_ID_PATTERN.test(text) && partitionIndexIn(text) < PARTITION_INDEX_COUNT) return undefined
  if (findUuidFault(text) === undefined) return 'without_partition'
  const end = text.indexOf(SEPARATOR)
  const scanned = scanPartitionTag(end < 0 ? text : text.slice(0, end + 1))
  if (typeof scanned === 'string') return scanned
  if (scanned.family !== 'flow') return 'wrong_family'
  return findUuidFault(text.slice(end + SEPARATOR.length)) ?? 'not_a_uuid'
}
