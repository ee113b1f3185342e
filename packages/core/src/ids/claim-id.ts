import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names one claim of a worker instance, so that a repeat gets the same answer. */
export type ClaimId = Brand<string, 'ClaimId'>

const grammar = createUuidIdGrammar<ClaimId>('claim')

/** Parses the text of a UUID, lower case. Throws `invalid_claim_id`. */
export const parseClaimId: (text: string) => ClaimId = grammar.parse

/** Whether the value is the text of a ClaimId. */
export const isClaimId: (value: unknown) => value is ClaimId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintClaimId: () => ClaimId = grammar.mint
