import { type FlowId, mintFlowId } from '../ids/flow-id.js'
import { partitionOfFlow } from './partition-of.js'

const TRIES = 256

/**
 * Mints a new flow id (UUIDv7) that lies in the given partition, so that a caller may choose where a flow is placed. Its last
 * byte is counted on until it does.
 */
export function mintFlowIdIn(partition: number, count: number): FlowId {
  for (;;) {
    const id = mintFlowId()
    const start = Number.parseInt(id.slice(-2), 16)
    for (let step = 0; step < TRIES; step += 1) {
      const candidate =
        `${id.slice(0, -2)}${((start + step) % TRIES).toString(16).padStart(2, '0')}` as FlowId
      if (partitionOfFlow(candidate, count) === partition) return candidate
    }
  }
}
