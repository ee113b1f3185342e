import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names a durable bulk operation. */
export type OperationId = Brand<string, 'OperationId'>

const grammar = createUuidIdGrammar<OperationId>('operation')

/** Parses the text of a UUID, lower case. Throws `invalid_operation_id`. */
export const parseOperationId: (text: string) => OperationId = grammar.parse

/** Whether the value is the text of an OperationId. */
export const isOperationId: (value: unknown) => value is OperationId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintOperationId: () => OperationId = grammar.mint
