import type { PublicState } from '@flowfabric/core'
import { isTerminal, type Row } from './board.js'

const marks: Readonly<Partial<Record<PublicState, string>>> = {
  completed: '✔',
  failed: '✖',
  cancelled: '⊘',
  expired: '⌛',
  skipped: '↷',
  active: '▶',
  delayed: '…',
  waiting: '·',
}

const colours: Readonly<Partial<Record<PublicState, number>>> = {
  completed: 32,
  failed: 31,
  cancelled: 33,
  expired: 31,
  skipped: 90,
  active: 36,
  delayed: 35,
}

/** `✔ measure[3]  completed  attempt 1  0.41 s  (all_of)`. */
export function formatRow(row: Row, nowMs: number, nameWidth: number): string {
  const parts = [
    `${marks[row.state] ?? '○'} ${row.name.padEnd(nameWidth)}`,
    describeState(row).padEnd(10),
    row.attempts === 0 ? '' : `attempt ${row.attempts}`,
    formatDuration(row, nowMs),
    row.join === '' ? '' : `after ${row.join} of ${row.upstreams.length}`,
    noteOf(row),
  ]
  return parts.filter((part) => part !== '').join('  ')
}

export function colour(state: PublicState, text: string): string {
  const code = colours[state]
  return code === undefined ? text : `\u001b[${code}m${text}\u001b[0m`
}

function describeState({ state }: Row): string {
  if (state === 'waiting_children') return 'waiting'
  return state === 'waiting' ? 'ready' : state
}

function formatDuration({ state, startedAtMs, endedAtMs }: Row, nowMs: number): string {
  if (startedAtMs === undefined || (!isTerminal(state) && state !== 'active')) return ''
  return `${((Math.max(startedAtMs, endedAtMs ?? nowMs) - startedAtMs) / 1_000).toFixed(2)} s`
}

function noteOf({ state, note }: Row): string {
  if (note === undefined || state === 'completed' || state === 'active') return ''
  if (state === 'cancelled') return note === 'sibling' ? 'lost the race' : note
  return note
}
