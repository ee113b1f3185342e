import { engineError } from '@flowfabric/core'
import type { MarkCommand } from '../connection/durability.js'
import { library } from '../generated/library.js'
import { pack } from '../records/packing.js'

/** Which partition stands for a slot: one that this process has called. */
export interface Marks {
  /** The key of a partition's `meta`, and its slot. */
  note(slot: number, metaKey: string): void
  readonly command: MarkCommand
}

/** A tiny write behind everything that was answered before: something for `WAIT` and `WAITAOF` to wait for. */
export function createMarks(): Marks {
  const keys = new Map<number, string>()
  const packed = pack([[0, 0, 0, 1, 0, '', ''], []])
  return {
    note(slot, metaKey) {
      if (!keys.has(slot)) keys.set(slot, metaKey)
    },
    command(slot) {
      const key = keys.get(slot)
      if (key === undefined) throw engineError('internal_error', `no partition was called in slot ${slot}`)
      return ['FCALL', `${library.prefix}maintenance_mark`, 1, key, packed]
    },
  }
}
