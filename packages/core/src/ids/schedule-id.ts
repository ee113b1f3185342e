import type { Brand } from '../brand.js'
import { createUuidIdGrammar } from './uuid-id.js'

/** Names a schedule. */
export type ScheduleId = Brand<string, 'ScheduleId'>

const grammar = createUuidIdGrammar<ScheduleId>('schedule')

/** Parses the text of a UUID, lower case. Throws `invalid_schedule_id`. */
export const parseScheduleId: (text: string) => ScheduleId = grammar.parse

/** Whether the value is the text of a ScheduleId. */
export const isScheduleId: (value: unknown) => value is ScheduleId = grammar.matches

/** Mints a new id (UUIDv7). */
export const mintScheduleId: () => ScheduleId = grammar.mint
