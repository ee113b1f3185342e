import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names a flow. Its UUID decides the flow's partition. */
export type FlowId = Brand<string, 'FlowId'>

const grammar = createUuidIdGrammar<FlowId>('flow')

/** Parses the text of a UUID, lower case. Throws `invalid_flow_id`. */
export const parseFlowId: (text: string) => FlowId = grammar.parse

/** Whether the value is the text of a FlowId. */
export const isFlowId: (value: unknown) => value is FlowId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintFlowId: () => FlowId = grammar.mint
