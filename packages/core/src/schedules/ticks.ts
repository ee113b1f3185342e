import { hash } from 'node:crypto'
import { Cron } from 'croner'
import type { ScheduleTiming } from '../contract/schedules.js'
import { engineError } from '../errors/engine-error.js'
import type { ScheduleId } from '../ids/index.js'
import { limits } from '../limits.js'

/**
 * The ticks of a timing after one time and up to another, that one included: ascending, at most `max`. Which ticks there are
 * does not depend on where one begins to ask. Nothing else computes ticks.
 */
export function ticksOf(
  timing: ScheduleTiming,
  afterMs: number,
  untilMs: number,
  max: number,
): readonly number[] {
  const next = timing.kind === 'cron' ? cronSteps(timing) : intervalSteps(timing)
  const ticks: number[] = []
  let tick = next(afterMs)
  while (tick !== undefined && tick <= untilMs && ticks.length < max) {
    ticks.push(tick)
    tick = ticks.length < max ? next(tick) : undefined
  }
  return ticks
}

/** The first tick after that time, or `null` where there is none any more. */
export function nextTickOf(timing: ScheduleTiming, afterMs: number): number | null {
  return ticksOf(timing, afterMs, Number.POSITIVE_INFINITY, 1)[0] ?? null
}

/** How much later than its tick a fire is: 0…`jitterMs`, and the same whenever it is asked for. */
export function jitterOf(scheduleId: ScheduleId, tickMs: number, jitterMs: number): number {
  if (jitterMs === 0) return 0
  const drawn = Number.parseInt(hash('sha256', `${scheduleId}/${tickMs}`, 'hex').slice(0, DRAWN_DIGITS), 16)
  return Math.floor((drawn / 16 ** DRAWN_DIGITS) * (jitterMs + 1))
}

/** Throws `invalid_schedule` unless the timing has ticks. */
export function checkTiming(timing: ScheduleTiming, nowMs = Date.UTC(2000)): void {
  if (timing.kind === 'cron') checkCron(timing)
  else checkInterval(timing)
  if (nextTickOf(timing, nowMs) === null) throw unusable('It has no tick', timing)
}

type CronTiming = Extract<ScheduleTiming, { readonly kind: 'cron' }>
type IntervalTiming = Extract<ScheduleTiming, { readonly kind: 'interval' }>
type Next = (afterMs: number) => number | undefined

function cronSteps({ expression, timeZone }: CronTiming): Next {
  const cron = openCron(expression, timeZone)
  return (afterMs) => cron.nextRun(new Date(afterMs))?.getTime()
}

function intervalSteps({ everyMs, offsetMs = 0 }: IntervalTiming): Next {
  return (afterMs) => {
    const tick = (Math.floor((afterMs - offsetMs) / everyMs) + 1) * everyMs + offsetMs
    return tick <= limits.timeMsMax ? tick : undefined
  }
}

function openCron(expression: string, timezone: string): Cron {
  // Paused, and so without a timer: it only computes.
  return new Cron(expression, { timezone, paused: true })
}

function checkCron(timing: CronTiming): void {
  const { expression, timeZone } = timing
  if (typeof expression !== 'string' || expression.length > limits.scheduleExpressionCharsMax) {
    throw unusable(`A cron text has at most ${limits.scheduleExpressionCharsMax} characters`, timing)
  }
  // What is not this, such as a date, a library may take for something that fires once, or by the time of its parsing.
  if (!CRON_PATTERN.test(expression)) throw unusable('A cron text has five, six or seven fields', timing)
  if (!isTimeZone(timeZone)) throw unusable('The time zone is not known', timing)
  try {
    openCron(expression, timeZone)
  } catch (cause) {
    throw unusable(cause instanceof Error ? cause.message : 'The cron text does not parse', timing)
  }
}

function checkInterval(timing: IntervalTiming): void {
  const { everyMs, offsetMs = 0 } = timing
  if (
    !Number.isInteger(everyMs) ||
    everyMs < limits.scheduleIntervalMsMin ||
    everyMs > limits.durationMsMax
  ) {
    const range = `${limits.scheduleIntervalMsMin}…${limits.durationMsMax} ms`
    throw unusable(`An interval is a whole number of ${range}`, timing)
  }
  if (!Number.isInteger(offsetMs) || offsetMs < 0 || offsetMs >= everyMs) {
    throw unusable('The offset of an interval is a whole number from 0 to below the interval', timing)
  }
}

function isTimeZone(value: unknown): boolean {
  if (typeof value !== 'string' || !TIME_ZONE_PATTERN.test(value)) return false
  try {
    new Intl.DateTimeFormat('en', { timeZone: value })
    return true
  } catch {
    return false
  }
}

function unusable(message: string, timing: ScheduleTiming) {
  return engineError('invalid_schedule', `${message}: ${JSON.stringify(timing).slice(0, 400)}`)
}

/** 48 bits. */
const DRAWN_DIGITS = 12
/** Nicknames, or fields without `?`, which stands for the time of parsing. */
const CRON_PATTERN = /^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|[^\s?@]+( +[^\s?@]+){4,6})$/i
/** A name of the IANA base: offsets such as `+02:00` name no zone. */
const TIME_ZONE_PATTERN = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/
