import { makePartitionTag, type PartitionFamily } from '../partitions/partition-tag.js'

/**
 * The grammar of all keys: `ff:<family>:<partition tag>:<rest>`.
 *
 * - The tag is the only text in braces before the rest, so a store that hashes the first braced text
 *   puts all keys of a partition in one slot. User text comes after the tag, where braces mean nothing.
 * - Ids appear as bare UUIDs: the tag in front already says the partition. `ff:exec:` + execution id +
 *   `:core` is therefore the key of an execution.
 * - Names of namespaces and lanes may hold `:`, so two of them are joined by `/`, which they can't hold;
 *   free text (an idempotency key, the key of a quota) is always the last segment.
 */
export function makeKeyPrefix(
  family: string,
  partitionFamily: PartitionFamily,
  partitionIndex: number,
): string {
  return `ff:${family}:${makePartitionTag(partitionFamily, partitionIndex)}:`
}
