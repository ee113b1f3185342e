import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { engineError, parseSigningSecrets, type SigningSecret } from '@flowfabric/core'

const FILE = 'signing-keys'

/** A key that nobody had before: its id, and a secret of 256 random bits. */
function makeEntry(): string {
  return `k-${randomBytes(6).toString('hex')}:${randomBytes(32).toString('base64url')}`
}

/** The secret of a store that ends with its process. */
export function randomSigningSecrets(): readonly SigningSecret[] {
  return parseSigningSecrets(makeEntry())
}

/**
 * The secrets that a folder keeps in its file `signing-keys`, one `<key id>:<secret>` to a line, readable by its owner alone.
 * Without such a file one is made, with a random key. Throws `invalid_configuration`.
 */
export function keepSigningSecrets(folder: string): readonly SigningSecret[] {
  const file = join(folder, FILE)
  try {
    mkdirSync(folder, { recursive: true })
    // Fails where there is one: two processes agree on the first one's.
    writeFileSync(file, `${makeEntry()}\n`, { mode: 0o600, flag: 'wx' })
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'EEXIST') throw unusable(file, cause)
  }
  return parseSigningSecrets(readOwn(file))
}

function readOwn(file: string): string {
  try {
    chmodSync(file, 0o600)
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw unusable(file, cause)
  }
}

function unusable(file: string, cause: unknown) {
  return engineError('invalid_configuration', `The signing keys in ${file} cannot be kept`, {}, { cause })
}
