import {
  makePartitionTag,
  parseSignalId,
  parseSuspensionId,
  parseWaitpointId,
  type SignalId,
  type SuspensionId,
  type WaitpointId,
} from '@flowfabric/core'

/** Ids of what lives in an execution's partition are stored without it. */

export function toWaitpointId(partition: number, uuid: string): WaitpointId {
  return parseWaitpointId(inPartition(partition, uuid))
}

export function toSignalId(partition: number, uuid: string): SignalId {
  return parseSignalId(inPartition(partition, uuid))
}

export function toSuspensionId(partition: number, uuid: string): SuspensionId {
  return parseSuspensionId(inPartition(partition, uuid))
}

function inPartition(partition: number, uuid: string): string {
  return `${makePartitionTag('flow', partition)}:${uuid}`
}
