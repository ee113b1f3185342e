import { engineError } from '@flowfabric/core'

/** The next number to read, by partition. A partition that isn't named is read from its first event. */
export type Positions = ReadonlyMap<number, number>

const VERSION = 'f1'

/** As text: `f1`, then `partition:number` for each partition, in base 36. */
export function encodeCursor(positions: Positions): string {
  const parts = [...positions]
    .sort(([a], [b]) => a - b)
    .map(([partition, next]) => `${partition.toString(36)}:${next.toString(36)}`)
  return [VERSION, ...parts].join('.')
}

/** Throws `invalid_cursor`. */
export function decodeCursor(cursor: string, partitionCount: number): Positions {
  const [version, ...parts] = cursor.split('.')
  if (version !== VERSION) throw invalidCursor()
  const positions = new Map<number, number>()
  for (const part of parts) {
    const match = /^([0-9a-z]{1,4}):([0-9a-z]{1,11})$/.exec(part)
    const partition = Number.parseInt(match?.[1] ?? '', 36)
    const next = Number.parseInt(match?.[2] ?? '', 36)
    if (!(partition < partitionCount) || !Number.isSafeInteger(next) || next < 1 || positions.has(partition))
      throw invalidCursor()
    positions.set(partition, next)
  }
  return positions
}

function invalidCursor() {
  return engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
}
