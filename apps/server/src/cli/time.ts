import { CommandError } from './terminal.js'

const UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** A duration as people write it, in ms: `90d`, `12h`, `30m`, `10s`. */
export function readDuration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const ms = UNITS[unit]
  if (ms === undefined) throw new CommandError(`${text} is no duration such as 90d, 12h, 30m or 10s`)
  return Number(count) * ms
}

/** A time, in ms: an ISO one, or a duration from now. */
export function readTime(text: string): number {
  if (/^\d+[smhd]$/.test(text)) return Date.now() + readDuration(text)
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new CommandError(`${text} is neither an ISO time nor a duration such as 30d`)
  return ms
}
