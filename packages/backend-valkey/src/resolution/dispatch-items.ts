import {
  type DispatchItem,
  type EntryId,
  engineError,
  type FlowId,
  makeEntryId,
  makeExecutionId,
} from '@flowfabric/core'
import { readFlowState } from '../flows/flow-letters.js'
import { asList } from '../library/as-list.js'

/** What a call of the dispatcher did, of one entry, in the contract's words; see `shared/dispatching.lua`. */
export function readDispatchItem(partition: number, told: readonly unknown[]): DispatchItem {
  const entryId = makeEntryId(partition, String(told[1]))
  switch (told[0]) {
    case 'noop':
      return { outcome: 'noop', entryId }
    case 'advanced':
      return readAdvanced(partition, entryId, told)
    case 'settled':
      return {
        outcome: 'settled',
        flowId: String(told[2]) as FlowId,
        flowState: readFlowState(told[3]),
      }
    case 'error':
      return {
        outcome: 'error',
        entryId,
        code: String(told[2]),
        message: `The stored data does not decode: ${String(told[3])}`,
      }
    default:
      throw engineError('corruption', `an entry was answered ${String(told[0])}`, { subject: 'dispatch' })
  }
}

function readAdvanced(
  partition: number,
  entryId: EntryId,
  [, , flow, execution, edges, satisfied, impossible, skipped, corrupt]: readonly unknown[],
): DispatchItem {
  return {
    outcome: 'advanced',
    entryId,
    flowId: flow === '' ? null : (String(flow) as FlowId),
    executionId: makeExecutionId(partition, String(execution)),
    edges: Number(edges),
    satisfied: Number(satisfied),
    impossible: Number(impossible),
    skipped: Number(skipped),
    corrupt: asList(corrupt as readonly string[]),
  }
}
