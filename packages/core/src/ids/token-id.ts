import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names an API token; it is not the token's secret. */
export type TokenId = Brand<string, 'TokenId'>

const grammar = createUuidIdGrammar<TokenId>('token')

/** Parses the text of a UUID, lower case. Throws `invalid_token_id`. */
export const parseTokenId: (text: string) => TokenId = grammar.parse

/** Whether the value is the text of a TokenId. */
export const isTokenId: (value: unknown) => value is TokenId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintTokenId: () => TokenId = grammar.mint
