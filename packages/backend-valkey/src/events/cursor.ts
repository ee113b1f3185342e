import { engineError } from '@flowfabric/core'

/** Where the reading of a partition stands. */
export interface Position {
  /** The number to read next. */
  readonly next: number
  /**
   * When the event before it happened; 0 where none was seen. A store that lost the end of its history in a fail-over gives
   * its numbers again, to other events: their times tell.
   */
  readonly seenAtMs: number
}

/** By partition. One that isn't named is read from its first event. */
export type Positions = ReadonlyMap<number, Position>

const VERSION = 'f2'

/** As text: `f2`, then `partition:number:time` for each partition, in base 36. */
export function encodeCursor(positions: Positions): string {
  const parts = [...positions]
    .sort(([a], [b]) => a - b)
    .map(([partition, { next, seenAtMs }]) =>
      [partition, next, seenAtMs].map((each) => each.toString(36)).join(':'),
    )
  return [VERSION, ...parts].join('.')
}

/** Throws `invalid_cursor`. */
export function decodeCursor(cursor: string, partitionCount: number): Positions {
  const [version, ...parts] = cursor.split('.')
  if (version !== VERSION) throw invalidCursor()
  const positions = new Map<number, Position>()
  for (const part of parts) {
    const match = /^([0-9a-z]{1,4}):([0-9a-z]{1,11}):([0-9a-z]{1,11})$/.exec(part)
    const partition = Number.parseInt(match?.[1] ?? '', 36)
    const next = Number.parseInt(match?.[2] ?? '', 36)
    const seenAtMs = Number.parseInt(match?.[3] ?? '', 36)
    const areNumbers = Number.isSafeInteger(next) && Number.isSafeInteger(seenAtMs)
    if (!(partition < partitionCount) || !areNumbers || next < 1 || positions.has(partition))
      throw invalidCursor()
    positions.set(partition, { next, seenAtMs })
  }
  return positions
}

function invalidCursor() {
  return engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
}
