import { engineError } from '../errors/engine-error.js'
import { isUuid } from '../ids/index.js'
import type { RecordPlace } from './due-records.js'

/** A cursor: behind which record the listing goes on. */
export function writeRecordPlace({ createdAtMs, id }: RecordPlace): string {
  return `${createdAtMs}.${id}`
}

/** Throws `invalid_cursor`. */
export function readRecordPlace(cursor: string): RecordPlace {
  const [createdAtMs = '', id = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(createdAtMs) || !isUuid(id)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { createdAtMs: Number(createdAtMs), id }
}
