import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names a quota. */
export type QuotaId = Brand<string, 'QuotaId'>

const grammar = createUuidIdGrammar<QuotaId>('quota')

/** Parses the text of a UUID, lower case. Throws `invalid_quota_id`. */
export const parseQuotaId: (text: string) => QuotaId = grammar.parse

/** Whether the value is the text of a QuotaId. */
export const isQuotaId: (value: unknown) => value is QuotaId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintQuotaId: () => QuotaId = grammar.mint
