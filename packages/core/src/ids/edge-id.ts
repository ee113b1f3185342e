import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names an edge of a flow. */
export type EdgeId = Brand<string, 'EdgeId'>

const grammar = createUuidIdGrammar<EdgeId>('edge')

/** Parses the text of a UUID, lower case. Throws `invalid_edge_id`. */
export const parseEdgeId: (text: string) => EdgeId = grammar.parse

/** Whether the value is the text of an EdgeId. */
export const isEdgeId: (value: unknown) => value is EdgeId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintEdgeId: () => EdgeId = grammar.mint
