import { engineError } from '@flowfabric/core'

/** The cursor of a listing that is newest first: the last item's time and id. */
interface Newest {
  readonly createdAtMs: number
  readonly id: string
}

export function writeNewestCursor({ createdAtMs, id }: Newest): string {
  return `n${createdAtMs}:${id}`
}

/** Throws `invalid_cursor`. */
export function readNewestCursor(cursor: string | undefined): Newest | undefined {
  if (cursor === undefined) return undefined
  const parts = /^n([0-9]{1,15}):([0-9a-f-]{36})$/.exec(cursor)
  if (parts === null) {
    throw engineError('invalid_cursor', 'the cursor is malformed, or belongs to another listing')
  }
  return { createdAtMs: Number(parts[1]), id: parts[2] ?? '' }
}
