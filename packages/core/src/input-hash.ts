import { hash } from 'node:crypto'
import type { Bytes } from './contract/conventions.js'

/**
 * The input hash of an execution that states none: SHA-256 in hex over the bytes of its input. No input hashes as the
 * JSON text `null`, which is what it is to a handler.
 */
export function hashInput(input: Bytes | null): string {
  return input === null ? HASH_OF_NULL : hash('sha256', input, 'hex')
}

const HASH_OF_NULL = hash('sha256', 'null', 'hex')
