import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names one lease of an attempt; fresh on every claim. */
export type LeaseId = Brand<string, 'LeaseId'>

const grammar = createUuidIdGrammar<LeaseId>('lease')

/** Parses the text of a UUID, lower case. Throws `invalid_lease_id`. */
export const parseLeaseId: (text: string) => LeaseId = grammar.parse

/** Whether the value is the text of a LeaseId. */
export const isLeaseId: (value: unknown) => value is LeaseId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintLeaseId: () => LeaseId = grammar.mint
