import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names one life of a worker process; a restart has another. */
export type InstanceId = Brand<string, 'InstanceId'>

const grammar = createUuidIdGrammar<InstanceId>('instance')

/** Parses the text of a UUID, lower case. Throws `invalid_instance_id`. */
export const parseInstanceId: (text: string) => InstanceId = grammar.parse

/** Whether the value is the text of an InstanceId. */
export const isInstanceId: (value: unknown) => value is InstanceId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintInstanceId: () => InstanceId = grammar.mint
