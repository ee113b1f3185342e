import type { BudgetId } from '../ids/budget-id.js'
import type { FlowId } from '../ids/flow-id.js'
import { type PartitionedId, partitionIndexOf } from '../ids/partitioned-id.js'
import { readUuidBytes } from '../ids/uuid.js'
import { crc16, crc16Text } from './crc16.js'
import { requirePartitionCount } from './partition-config.js'
import type { Partition, PartitionFamily } from './partition-tag.js'

/** The index of a flow's partition, and so of all its members: CRC16 of the UUID's bytes, modulo the count. */
export function partitionOfFlow(flowId: FlowId, count: number): number {
  return partitionOfUuid(flowId, count, 'flow')
}

/** The partition of an execution (waitpoint, suspension, signal, outbox entry): the id says it. */
export function partitionOfExecution(id: PartitionedId): Partition {
  return { family: 'flow', index: partitionIndexOf(id) }
}

/** The index of a budget's partition. */
export function partitionOfBudget(budgetId: BudgetId, count: number): number {
  return partitionOfUuid(budgetId, count, 'budget')
}

/**
 * The index of the quota-family partition in which a namespace's record lives: CRC16 of `namespace/id`,
 * modulo the count. `id` is a quota, schedule, operation or webhook id, a lane, an idempotency key, …
 */
export function quotaPartition(namespace: string, id: string, count: number): number {
  requirePartitionCount(count, 'quota')
  return crc16Text(`${namespace}/${id}`) % count
}

/** The index of the partition in which one key of a quota is counted: CRC16 of `id/key`, modulo the count. */
export function quotaKeyPartition(quotaId: string, key: string, count: number): number {
  requirePartitionCount(count, 'quota')
  return crc16Text(`${quotaId}/${key}`) % count
}

function partitionOfUuid(uuid: string, count: number, family: PartitionFamily): number {
  requirePartitionCount(count, family)
  return crc16(readUuidBytes(uuid)) % count
}
