import {
  type ExecutionId,
  makePartitionTag,
  partitionIndexOf,
  type SignalId,
  type SuspensionId,
  uuidOf,
  type WaitpointId,
} from '@flowfabric/core'

/** Ids as the library knows them: those of its partition are bare UUIDs, '' stands for none. */

export function bareOf(id: WaitpointId | SuspensionId | undefined): string {
  return id === undefined ? '' : uuidOf(id)
}

export function wholeId<Id extends WaitpointId | SignalId | SuspensionId>(
  partition: number,
  uuid: unknown,
): Id {
  return `${makePartitionTag('flow', partition)}:${String(uuid)}` as Id
}

export function tagOf(id: WaitpointId | ExecutionId): string {
  return `fp:${partitionIndexOf(id)}`
}
