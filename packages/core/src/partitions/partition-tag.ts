import { applyBrand, type Brand } from '../brand.js'
import { cutText } from '../errors/cut-text.js'
import { engineError } from '../errors/engine-error.js'

/** The three independent families of partitions. Flows and executions share one. */
export type PartitionFamily = 'flow' | 'budget' | 'quota'

/** The opaque text by which a partition crosses public surfaces: `{fp:7}`, `{b:0}`, `{q:3}`. */
export type PartitionTag = Brand<string, 'PartitionTag'>

/** A partition, taken apart. The index is 0…65535; whether it exists depends on the deployment's count. */
export interface Partition {
  readonly family: PartitionFamily
  readonly index: number
}

/** What can be wrong with a partition tag. Each is the end of an error code `partition_tag_…`. */
export type PartitionTagFault =
  | 'without_braces'
  | 'without_family'
  | 'unknown_family'
  | 'without_index'
  | 'index_not_decimal'
  | 'leading_zeros'
  | 'index_too_large'

/** All families, in the order in which they are listed everywhere. */
export const partitionFamilies: readonly PartitionFamily[] = ['flow', 'budget', 'quota']

/** The letters that stand for a family inside a tag. */
export const partitionTagPrefixes: Readonly<Record<PartitionFamily, string>> = {
  flow: 'fp',
  budget: 'b',
  quota: 'q',
}

/** The greatest index that a tag can name, whatever the deployment's counts. */
export const PARTITION_INDEX_MAX = 65_535

/**
 * Parses a tag strictly. The deployment's count is not used.
 *
 * Throws a validation error `partition_tag_<fault>`, one code for each fault.
 */
export function parsePartitionTag(text: string): PartitionTag {
  const scanned = scanPartitionTag(text)
  if (typeof scanned !== 'string') return applyBrand<PartitionTag>(text)
  throw engineError(
    `partition_tag_${scanned}`,
    `Not a partition tag (${describeFault(scanned)}): ${cutText(text)}`,
    {
      value: cutText(text),
    },
  )
}

/** Whether the value is the text of a partition tag. */
export function isPartitionTag(value: unknown): value is PartitionTag {
  return typeof scanPartitionTag(value) !== 'string'
}

/** Takes a tag apart. */
export function partitionOfTag(tag: PartitionTag): Partition {
  const scanned = scanPartitionTag(tag)
  if (typeof scanned !== 'string') return scanned
  // Only a forged brand gets here; the parser names the fault.
  return partitionOfTag(parsePartitionTag(tag))
}

/** The tag of a partition. Throws `partition_out_of_range` for an index that no tag can name. */
export function makePartitionTag(family: PartitionFamily, index: number): PartitionTag {
  requirePartitionIndex(index, PARTITION_INDEX_MAX + 1)
  return applyBrand<PartitionTag>(`{${partitionTagPrefixes[family]}:${index}}`)
}

/** Throws `partition_out_of_range` unless the index is a whole number below the count. */
export function requirePartitionIndex(index: number, count: number): void {
  if (Number.isInteger(index) && index >= 0 && index < count) return
  throw engineError('partition_out_of_range', `Partition index ${index} is not one of 0…${count - 1}`, {
    index,
    count,
  })
}

/** The partition that a text names, or what is wrong with it. Looks at the whole text; never throws. */
export function scanPartitionTag(text: unknown): Partition | PartitionTagFault {
  if (typeof text !== 'string' || text.length < 2 || !text.startsWith('{') || !text.endsWith('}')) {
    return 'without_braces'
  }
  const body = text.slice(1, -1)
  const colon = body.indexOf(':')
  if (colon <= 0) return 'without_family'
  const family = FAMILY_OF_PREFIX.get(body.slice(0, colon))
  if (family === undefined) return 'unknown_family'
  const index = scanPartitionIndex(body.slice(colon + 1))
  return typeof index === 'number' ? { family, index } : index
}

/** The partition index that a decimal text names, or what is wrong with it. */
export function scanPartitionIndex(digits: string): number | PartitionTagFault {
  if (digits === '') return 'without_index'
  if (!/^[0-9]+$/.test(digits)) return 'index_not_decimal'
  if (digits.length > 1 && digits.startsWith('0')) return 'leading_zeros'
  const index = Number(digits)
  return index <= PARTITION_INDEX_MAX ? index : 'index_too_large'
}

/** A fault in words. */
export function describeFault(fault: string): string {
  return fault.replaceAll('_', ' ')
}

const FAMILY_OF_PREFIX: ReadonlyMap<string, PartitionFamily> = new Map(
  partitionFamilies.map((family) => [partitionTagPrefixes[family], family]),
)
