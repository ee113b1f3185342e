import type { ScanRequest } from '../contract/conventions.js'
import { engineError } from '../errors/engine-error.js'
import { parseEntryId, partitionIndexOf } from '../ids/index.js'
import { limits } from '../limits.js'
import {
  makePartitionTag,
  type Partition,
  type PartitionConfig,
  type PartitionFamily,
  type PartitionTag,
  parsePartitionTag,
  partitionOfTag,
  requirePartitionIndex,
} from '../partitions/index.js'
import { checkInteger, checkList, checkObject } from './fields.js'

/** Checks what a scanner operation takes. Answers the index of the partition. */
export function checkScanRequest(
  params: ScanRequest,
  counts: PartitionConfig,
  family: PartitionFamily = 'flow',
): number {
  checkObject(params, '')
  checkInteger(params.max, 'max', 1, SCAN_MAX)
  return checkPartition(params.partition, counts, family)
}

/** Checks what `pulse` takes. Answers the partitions, of every family, in the order of the tags. */
export function checkPulse(
  params: { readonly partitions: readonly PartitionTag[] },
  counts: PartitionConfig,
): readonly Partition[] {
  checkObject(params, '')
  checkList(params.partitions, 'partitions', counts.flow + counts.budget + counts.quota)
  return params.partitions.map((tag) => {
    const { family } = partitionOfTag(parsePartitionTag(tag))
    return { family, index: checkPartition(tag, counts, family) }
  })
}

/** Checks what `dispatchCompletion` takes. */
export function checkEntryId(params: { readonly entryId: string }, counts: PartitionConfig): void {
  checkObject(params, '')
  requirePartitionIndex(partitionIndexOf(parseEntryId(params.entryId)), counts.flow)
}

function checkPartition(tag: PartitionTag, counts: PartitionConfig, family: PartitionFamily): number {
  const partition = partitionOfTag(parsePartitionTag(tag))
  if (partition.family !== family) {
    throw engineError('partition_tag_unknown_family', `${tag} is no partition of family ${family}`, {
      value: makePartitionTag(partition.family, partition.index),
    })
  }
  requirePartitionIndex(partition.index, counts[family])
  return partition.index
}

const SCAN_MAX = limits.scannerBatchMax * 20
