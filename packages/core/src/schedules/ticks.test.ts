import { describe, expect, it } from 'vitest'
import type { ScheduleTiming } from '../contract/schedules.js'
import { isEngineError } from '../errors/index.js'
import { mintScheduleId } from '../ids/index.js'
import { checkTiming, jitterOf, nextTickOf, ticksOf } from './ticks.js'

const cron = (expression: string, timeZone: string): ScheduleTiming => ({
  kind: 'cron',
  expression,
  timeZone,
})
const iso = (ms: number) => new Date(ms).toISOString().replace('.000Z', 'Z')

/** Ticks after one time and up to another. */
function ticks(timing: ScheduleTiming, after: string, until: string): string[] {
  return ticksOf(timing, Date.parse(after), Date.parse(until), 1_000).map(iso)
}

describe('cron where clocks change', () => {
  describe('Europe/Berlin, an hour: 2026-03-29 at 02:00 to 03:00, 2026-10-25 at 03:00 to 02:00', () => {
    const zone = 'Europe/Berlin'

    it('a time that does not exist is the moment of the change, once', () => {
      expect(ticks(cron('0 30 2 * * *', zone), '2026-03-27T23:00Z', '2026-03-31T00:00Z')).toEqual([
        '2026-03-28T01:30:00Z',
        '2026-03-29T01:00:00Z',
        '2026-03-30T00:30:00Z',
      ])
    })

    it('a time that exists twice is the first of the two', () => {
      expect(ticks(cron('0 30 2 * * *', zone), '2026-10-24T12:00Z', '2026-10-26T12:00Z')).toEqual([
        '2026-10-25T00:30:00Z',
        '2026-10-26T01:30:00Z',
      ])
    })

    it('a list follows the clock on the wall: left out where it does not exist, twice where it exists twice', () => {
      const list = cron('0 0,30 2 * * *', zone)
      expect(ticks(list, '2026-03-28T12:00Z', '2026-03-29T12:00Z')).toEqual([])
      expect(ticks(list, '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
        '2026-10-25T00:00:00Z',
        '2026-10-25T00:30:00Z',
        '2026-10-25T01:00:00Z',
        '2026-10-25T01:30:00Z',
      ])
    })

    it('a pattern of hours fires in both of the hours that are the same', () => {
      expect(ticks(cron('0 30 * * * *', zone), '2026-10-24T23:00Z', '2026-10-25T03:00Z')).toEqual([
        '2026-10-24T23:30:00Z',
        '2026-10-25T00:30:00Z',
        '2026-10-25T01:30:00Z',
        '2026-10-25T02:30:00Z',
      ])
    })

    it('a pattern of minutes goes on over both changes without a gap or a double', () => {
      const every15 = cron('0 */15 * * * *', zone)
      for (const day of ['2026-03-29', '2026-10-25']) {
        const found = ticks(every15, `${day}T00:00Z`, `${day}T03:00Z`)
        expect(found).toHaveLength(12)
        expect(found.map((tick) => Date.parse(tick) % 900_000)).toEqual(found.map(() => 0))
      }
    })

    it('midnight is every day, 23 or 25 hours long', () => {
      const found = ticksOf(
        cron('@daily', zone),
        Date.parse('2026-03-28T12:00Z'),
        Date.parse('2026-10-27T12:00Z'),
        1_000,
      )
      const hours = found.map((tick, place) => (tick - (found[place - 1] ?? tick)) / 3_600_000)
      expect([...new Set(hours)].sort()).toEqual([0, 23, 24, 25])
      expect(hours.filter((each) => each === 23 || each === 25)).toHaveLength(2)
    })
  })

  describe('America/New_York, an hour: 2026-03-08 at 02:00, 2026-11-01 at 02:00', () => {
    const zone = 'America/New_York'

    it('a time that does not exist is the moment of the change', () => {
      expect(ticks(cron('0 15 2 * * *', zone), '2026-03-07T12:00Z', '2026-03-09T12:00Z')).toEqual([
        '2026-03-08T07:00:00Z',
        '2026-03-09T06:15:00Z',
      ])
    })

    it('a time that exists twice is the first; a pattern of seconds is in both', () => {
      expect(ticks(cron('0 30 1 * * *', zone), '2026-10-31T12:00Z', '2026-11-02T12:00Z')).toEqual([
        '2026-11-01T05:30:00Z',
        '2026-11-02T06:30:00Z',
      ])
      expect(ticks(cron('*/30 59 1 * * *', zone), '2026-11-01T00:00Z', '2026-11-01T12:00Z')).toEqual([
        '2026-11-01T05:59:00Z',
        '2026-11-01T05:59:30Z',
        '2026-11-01T06:59:00Z',
        '2026-11-01T06:59:30Z',
      ])
    })
  })

  describe('Australia/Lord_Howe, half an hour: 2026-04-05 at 02:00 to 01:30, 2026-10-04 at 02:00 to 02:30', () => {
    const zone = 'Australia/Lord_Howe'

    it('a time that does not exist is the moment of the change', () => {
      expect(ticks(cron('0 15 2 * * *', zone), '2026-10-02T16:00Z', '2026-10-05T00:00Z')).toEqual([
        '2026-10-03T15:30:00Z',
        '2026-10-04T15:15:00Z',
      ])
    })

    it('a time that exists twice is the first of the two', () => {
      expect(ticks(cron('0 45 1 * * *', zone), '2026-04-03T16:00Z', '2026-04-06T00:00Z')).toEqual([
        '2026-04-04T14:45:00Z',
        '2026-04-05T15:15:00Z',
      ])
    })

    it('a pattern of minutes goes on over both changes', () => {
      for (const around of ['2026-04-04', '2026-10-03']) {
        const found = ticks(cron('0 */10 * * * *', zone), `${around}T13:00Z`, `${around}T17:00Z`)
        expect(found).toHaveLength(24)
      }
    })
  })

  it('a zone without changes has the same distance every day', () => {
    const found = ticksOf(cron('0 30 2 * * *', 'Asia/Kolkata'), Date.UTC(2026, 0), Date.UTC(2027, 0), 1_000)
    expect(found).toHaveLength(365)
    expect(new Set(found.map((tick) => tick % 86_400_000))).toEqual(new Set([21 * 3_600_000]))
  })

  it('days of the month and of the week are either, as in cron', () => {
    expect(ticks(cron('0 0 13 * 5', 'UTC'), '2026-03-01T00:00Z', '2026-03-21T00:00Z')).toEqual([
      '2026-03-06T00:00:00Z',
      '2026-03-13T00:00:00Z',
      '2026-03-20T00:00:00Z',
    ])
  })
})

describe('the ticks of a timing', () => {
  const timings: readonly ScheduleTiming[] = [
    ...['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'America/St_Johns', 'UTC'].flatMap(
      (zone) =>
        [
          '0 30 2 * * *',
          '0 */7 * * * *',
          '*/20 59 1 * * *',
          '0 0 0,2,3 * * *',
          '30 5 1 * * 0',
          '0 15,45 1-3 * * *',
        ].map((expression) => cron(expression, zone)),
    ),
    { kind: 'interval', everyMs: 90_001, offsetMs: 17 },
  ]
  const changes = [
    '2026-03-08T07:00Z',
    '2026-03-29T01:00Z',
    '2026-04-04T15:00Z',
    '2026-10-03T15:30Z',
    '2026-10-25T01:00Z',
  ]

  it.each(timings)('do not depend on where one begins to ask: %j', (timing) => {
    for (const change of changes) {
      const middle = Date.parse(change)
      const [from, until] = [middle - 5 * 3_600_000, middle + 5 * 3_600_000]
      const all = ticksOf(timing, from, until, 10_000)
      expect(all).toEqual([...new Set(all)].sort((a, b) => a - b))
      for (let at = from; at < until; at += 421_337) {
        const expected = all.filter((tick) => tick > at).slice(0, 3)
        expect(ticksOf(timing, at, until, 3)).toEqual(expected)
      }
      // A tick is not its own successor.
      for (const tick of all.slice(0, 20)) expect(nextTickOf(timing, tick)).not.toBe(tick)
      for (const tick of all.slice(0, 20)) expect(nextTickOf(timing, tick - 1)).toBe(tick)
    }
  })

  it('are bounded by their number and by both ends', () => {
    const timing: ScheduleTiming = { kind: 'interval', everyMs: 1_000 }
    expect(ticksOf(timing, 0, 3_000, 10)).toEqual([1_000, 2_000, 3_000])
    expect(ticksOf(timing, -1, 3_000, 2)).toEqual([0, 1_000])
    expect(ticksOf(timing, 0, 3_000, 0)).toEqual([])
    expect(ticksOf(timing, 3_000, 3_000, 10)).toEqual([])
  })

  it('of an interval keep to the grid and the offset', () => {
    const timing: ScheduleTiming = { kind: 'interval', everyMs: 10_000, offsetMs: 1 }
    expect(ticksOf(timing, 1_800_000_012_345, 1_800_000_040_000, 10)).toEqual([
      1_800_000_020_001, 1_800_000_030_001,
    ])
  })

  it('come to an end where a year is named', () => {
    const timing = cron('0 0 0 1 1 * 2027', 'UTC')
    expect(nextTickOf(timing, Date.UTC(2026, 5))).toBe(Date.UTC(2027))
    expect(nextTickOf(timing, Date.UTC(2027))).toBeNull()
    expect(() => checkTiming(timing)).not.toThrow()
  })
})

describe('jitter', () => {
  it('is the same for a tick, of another size for another, and within its bound', () => {
    const id = mintScheduleId()
    const drawn = Array.from({ length: 1_000 }, (_, place) => jitterOf(id, place * 60_000, 99))
    expect(drawn).toEqual(Array.from({ length: 1_000 }, (_, place) => jitterOf(id, place * 60_000, 99)))
    expect(Math.min(...drawn)).toBe(0)
    expect(Math.max(...drawn)).toBe(99)
    expect(jitterOf(id, 60_000, 0)).toBe(0)
    expect(drawn.filter((ms) => ms < 50).length / 1_000).toBeCloseTo(0.5, 1)
  })
})

describe('a timing that is unusable', () => {
  it.each<ScheduleTiming>([
    cron('', 'UTC'),
    cron('* * * *', 'UTC'),
    cron('0 0 0 32 * *', 'UTC'),
    cron('0 0 24 * * *', 'UTC'),
    cron('0 0 0 30 2 *', 'UTC'),
    cron('? * * * * *', 'UTC'),
    cron('2026-01-01T00:00:00', 'UTC'),
    cron('@reboot', 'UTC'),
    cron(`0 0 ${'1,'.repeat(200)}1 * * *`, 'UTC'),
    cron('0 0 * * *', 'Mars/Olympus'),
    cron('0 0 * * *', ''),
    cron('0 0 * * *', '+01:00'),
    { kind: 'interval', everyMs: 999 },
    { kind: 'interval', everyMs: Number.NaN },
    { kind: 'interval', everyMs: 60_000, offsetMs: 60_000 },
  ])('%j is invalid_schedule', (timing) => {
    let code: string | undefined
    try {
      checkTiming(timing)
    } catch (error) {
      code = isEngineError(error) ? error.code : String(error)
    }
    expect(code).toBe('invalid_schedule')
  })
})
