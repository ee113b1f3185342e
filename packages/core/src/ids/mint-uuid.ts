import { uuidv7 } from 'uuidv7'

/**
 * Mints a UUIDv7 (RFC 9562): 48 bits of milliseconds, a 42-bit counter, 32 random bits.
 *
 * Texts minted by one process ascend, also within a millisecond and while its clock goes back by up to
 * ten seconds. Nothing but the sort order of ids relies on the time in them; the engine's time is the store's.
 */
export function mintUuid(): string {
  return uuidv7()
}
