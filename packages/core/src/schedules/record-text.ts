import type { Bytes } from '../contract/conventions.js'
import type { ScheduledNode, ScheduledWork } from '../contract/schedules.js'
import { overlapPolicies } from '../contract/schedules.js'
import { engineError } from '../errors/engine-error.js'
import { isExecutionId, isFlowId } from '../ids/index.js'
import { limits } from '../limits.js'
import { payloadTooLarge } from '../validation/fields.js'
import type { ScheduleDefinition, ScheduleProgress, StoredSchedule } from './record.js'
import type { ScheduleRow } from './schedule-store.js'
import { checkTiming } from './ticks.js'

/**
 * The parts of a schedule's record as the texts that a store keeps. What does not decode is `corruption`: nothing is decided
 * from it.
 */
export const recordText = {
  ofDefinition: (definition: ScheduleDefinition): string => JSON.stringify(definition),

  ofProgress: (progress: ScheduleProgress): string => JSON.stringify(progress),

  /** Throws `payload_too_large`. */
  ofWork(work: ScheduledWork): string {
    const text = JSON.stringify(
      work.kind === 'execution'
        ? { ...work, spec: { ...work.spec, input: toBase64(work.spec.input) } }
        : { ...work, nodes: work.nodes.map((node) => ({ ...node, input: toBase64(node.input) })) },
    )
    const bytes = Buffer.byteLength(text)
    if (bytes > limits.scheduleWorkBytesMax) throw payloadTooLarge('work', limits.scheduleWorkBytesMax, bytes)
    return text
  },

  read(row: ScheduleRow & { readonly work: string }): StoredSchedule {
    return { ...recordText.readSummary(row), work: decode(row, 'work', row.work, toWork) }
  },

  /** Of a row that was read without its work. */
  readSummary(row: ScheduleRow): Omit<StoredSchedule, 'work'> {
    const { namespace, scheduleId, version, dueAtMs } = row
    return {
      namespace,
      scheduleId,
      version,
      dueAtMs,
      definition: decode(row, 'definition', row.definition, toDefinition),
      progress: decode(row, 'progress', row.progress, toProgress),
    }
  },
}

function decode<Part>(row: ScheduleRow, part: string, text: string, read: (value: unknown) => Part): Part {
  try {
    return read(JSON.parse(text))
  } catch (cause) {
    const subject = `schedule ${row.namespace}/${row.scheduleId} ${part}`
    throw engineError('corruption', `The stored ${subject} does not decode`, { subject }, { cause })
  }
}

function toDefinition(value: unknown): ScheduleDefinition {
  const definition = value as ScheduleDefinition
  const { label, timing, overlap, jitterMs, catchUpMs } = definition
  checkTiming(timing)
  need(typeof label === 'string' && overlapPolicies.includes(overlap) && areTimes(jitterMs, catchUpMs))
  return definition
}

function toProgress(value: unknown): ScheduleProgress {
  const progress = value as ScheduleProgress
  const { createdAtMs, updatedAtMs, paused, home, cursorMs, nextTickMs, running, buffered } = progress
  const { backfills, starts, cancels, triggers } = progress
  need(typeof paused === 'boolean' && areTimes(createdAtMs, updatedAtMs, home, cursorMs))
  need(nextTickMs === null || areTimes(nextTickMs))
  need(areTimes(...buffered) && cancels.every(isScheduledId))
  for (const { id, startedAtMs } of running) need(isScheduledId(id) && areTimes(startedAtMs))
  for (const { id, tickMs } of starts) need(isScheduledId(id) && areTimes(tickMs))
  for (const { ticks } of backfills) need(areTimes(...ticks))
  for (const { key, atMs } of triggers) need(typeof key === 'string' && areTimes(atMs))
  return progress
}

function toWork(value: unknown): ScheduledWork {
  const work = value as ScheduledWork
  if (work.kind === 'execution') {
    const { spec } = work
    need(typeof spec.kind === 'string' && typeof spec.lane === 'string')
    return { ...work, spec: { ...spec, input: fromBase64(spec.input) } }
  }
  need(work.kind === 'flow' && Array.isArray(work.edges))
  return {
    ...work,
    nodes: work.nodes.map((node: ScheduledNode) => ({ ...node, input: fromBase64(node.input) })),
  }
}

function isScheduledId(value: unknown): boolean {
  return isExecutionId(value) || isFlowId(value)
}

function areTimes(...values: readonly unknown[]): boolean {
  return values.every((value) => Number.isSafeInteger(value))
}

function need(isSound: boolean): void {
  if (!isSound) throw new Error('a field is missing or of another type')
}

function toBase64(input: Bytes | null): string | null {
  return input === null
    ? null
    : Buffer.from(input.buffer, input.byteOffset, input.byteLength).toString('base64')
}

function fromBase64(input: unknown): Bytes | null {
  if (input === null) return null
  need(typeof input === 'string')
  return new Uint8Array(Buffer.from(input as string, 'base64'))
}
