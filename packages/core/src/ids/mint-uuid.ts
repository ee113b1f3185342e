import { randomFillSync } from 'node:crypto'
import { V7Generator } from 'uuidv7'
import { formatUuid } from './uuid.js'

/**
 * Mints a UUIDv7 (RFC 9562): 48 bits of milliseconds, a 42-bit counter, 32 random bits.
 *
 * Texts minted by one process ascend, also within a millisecond and while its clock goes back by up to
 * ten seconds. Nothing but the sort order of ids relies on the time in them; the engine's time is the store's.
 */
export function mintUuid(): string {
  return formatUuid(generator.generate().bytes)
}

/** Random numbers are drawn in store, since each draw is a system call. */
const WORDS = 1_024
const words = new Uint32Array(WORDS)
let taken = WORDS

const generator = new V7Generator({
  nextUint32() {
    if (taken === WORDS) {
      randomFillSync(words)
      taken = 0
    }
    return words[taken++] ?? 0
  },
})
