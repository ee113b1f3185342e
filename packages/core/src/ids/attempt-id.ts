import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names one numbered run of an execution. */
export type AttemptId = Brand<string, 'AttemptId'>

const grammar = createUuidIdGrammar<AttemptId>('attempt')

/** Parses the text of a UUID, lower case. Throws `invalid_attempt_id`. */
export const parseAttemptId: (text: string) => AttemptId = grammar.parse

/** Whether the value is the text of an AttemptId. */
export const isAttemptId: (value: unknown) => value is AttemptId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintAttemptId: () => AttemptId = grammar.mint
