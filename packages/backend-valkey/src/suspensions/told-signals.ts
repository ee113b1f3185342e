import type { Signal, SuspensionId, WaitpointId } from '@flowfabric/core'
import { bytesAt } from '../channel/handed-out.js'
import { copyOf } from '../records/stored-step.js'
import { wholeId } from './ids.js'

/** A signal as `shared/signals.lua` tells it: `[id, waitpoint, name, source, ms, suspension, place of its payload]`. */
export function readSignal(
  partition: number,
  told: readonly unknown[],
  bytes: readonly Uint8Array[],
): Signal {
  const [id, waitpoint, name, source, receivedAtMs, suspension, place] = told
  const payload = bytesAt(bytes, place)
  return {
    id: wholeId(partition, id),
    waitpointId: waitpoint === '' ? null : wholeId<WaitpointId>(partition, waitpoint),
    name: String(name),
    payload: payload && copyOf(payload),
    source: typeof source === 'string' ? source : null,
    receivedAtMs: Number(receivedAtMs),
    suspensionId: suspension === '' ? null : wholeId<SuspensionId>(partition, suspension),
  }
}
