import { formatTime } from './format.js'

const INDENT = '  '

/** A tree of records and lists for people: a line for each value, what is inside another indented. Payloads stay out of it. */
export function formatOutline(record: object): string {
  return linesOf(record).join('\n')
}

function linesOf(record: object): string[] {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined)
  const width = Math.max(0, ...entries.filter(([, value]) => isLeaf(value)).map(([name]) => name.length))
  return entries.flatMap(([name, value]) => {
    if (isLeaf(value)) return [`${name.padEnd(width)}${INDENT}${formatLeaf(value)}`]
    const items: readonly unknown[] = Array.isArray(value) ? value : [value]
    return [name, ...items.flatMap((item) => linesOfItem(item, Array.isArray(value)))]
  })
}

function linesOfItem(item: unknown, isOfList: boolean): string[] {
  const lines = isLeaf(item) ? [formatLeaf(item)] : linesOf(item as object)
  return lines.map((line, place) => `${INDENT}${isOfList ? (place === 0 ? '- ' : INDENT) : ''}${line}`)
}

/** What stands on the line of its name: also a list or a record of nothing. */
function isLeaf(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Object.keys(value).length === 0
}

function formatLeaf(value: unknown): string {
  if (value === null || typeof value === 'object') return '-'
  if (value === '') return "''"
  return isTime(value) ? `${value} (${formatTime(value)})` : String(value)
}

const YEAR_2001_MS = 1_000_000_000_000

/** A number that can hardly be anything else than ms since the epoch. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= YEAR_2001_MS && value < 10 * YEAR_2001_MS
}
