import type { ScheduledId, ScheduleFireItem } from '../contract/schedules.js'
import { limits } from '../limits.js'
import type { RunningWork, ScheduledStart, ScheduleProgress, StoredSchedule } from './record.js'
import { tickId } from './scheduled-ids.js'
import { jitterOf, nextTickOf, ticksOf } from './ticks.js'

type Decidable = Pick<StoredSchedule, 'namespace' | 'scheduleId' | 'definition' | 'work' | 'progress'>

export interface Facts {
  readonly nowMs: number
  /** What of the running work has ended, as far as anybody looked. */
  readonly ended: ReadonlySet<ScheduledId>
  /** How many ticks may be taken. */
  readonly room: number
}

export interface Decision {
  readonly progress: ScheduleProgress
  /** Ticks that were dealt with and start nothing; what starts is told when it has. */
  readonly items: readonly ScheduleFireItem[]
  readonly taken: number
}

/** When a runner has to look at the schedule next. */
export function dueAtOf(schedule: Omit<Decidable, 'work'>, nowMs: number): number | null {
  const { progress } = schedule
  if (hasUnconfirmed(progress)) return nowMs + limits.scheduleStartRepeatMs
  const times: number[] = []
  const fireAtMs = nextFireOf(schedule)
  if (fireAtMs !== null) times.push(fireAtMs)
  if (waits(progress)) times.push(progress.lookAtMs ?? nowMs)
  return times.length === 0 ? null : Math.min(...times)
}

/** When the next tick fires; `null` while paused, and where there is none. */
export function nextFireOf({ scheduleId, definition, progress }: Omit<Decidable, 'work'>): number | null {
  const { paused, nextTickMs } = progress
  if (paused || nextTickMs === null) return null
  return nextTickMs + jitterOf(scheduleId, nextTickMs, definition.jitterMs)
}

/** Whether the record holds starts or cancels that may not have been carried out. */
export function hasUnconfirmed({ starts, cancels }: ScheduleProgress): boolean {
  return starts.length > 0 || cancels.length > 0
}

/** Whether what runs decides over what is due now. */
export function needsLook({ definition, progress }: Decidable): boolean {
  return definition.overlap !== 'allow_all' && progress.running.length > 0
}

/** Whether something waits for its turn. */
function waits({ paused, buffered, backfills }: ScheduleProgress): boolean {
  return (!paused && buffered.length > 0) || backfills.length > 0
}

/** What one conditional write makes of what is due: pure, and the same whoever decides. */
export function decide(schedule: Decidable, facts: Facts): Decision {
  const step = new Step(schedule, facts)
  if (!schedule.progress.paused) {
    step.dropMissed()
    step.startBuffered()
    step.takeTicks()
  }
  step.startBackfills()
  return step.decision()
}

class Step {
  readonly #schedule: Decidable
  readonly #facts: Facts
  readonly #items: ScheduleFireItem[] = []
  readonly #starts: ScheduledStart[] = []
  #cancels: readonly ScheduledId[] = []
  #running: readonly RunningWork[]
  #buffered: readonly number[]
  #backfills: ScheduleProgress['backfills']
  #cursorMs: number
  #taken = 0

  constructor(schedule: Decidable, facts: Facts) {
    const { running, buffered, backfills, cursorMs } = schedule.progress
    this.#schedule = schedule
    this.#facts = facts
    this.#running = running.filter(({ id }) => !facts.ended.has(id))
    this.#buffered = buffered
    this.#backfills = backfills
    this.#cursorMs = cursorMs
  }

  /** Ticks that are older than the window are passed over. */
  dropMissed(): void {
    const { definition, progress } = this.#schedule
    const oldestMs = this.#facts.nowMs - definition.catchUpMs - definition.jitterMs
    if (progress.nextTickMs === null || progress.nextTickMs >= oldestMs) return
    this.#tell('missed', progress.nextTickMs)
    this.#cursorMs = oldestMs - 1
  }

  startBuffered(): void {
    while (this.#hasRoom() && !this.#isBusy()) {
      const [first, ...rest] = this.#buffered
      if (first === undefined) return
      this.#buffered = rest
      this.#start(first)
    }
  }

  takeTicks(): void {
    const { scheduleId, definition } = this.#schedule
    const { nowMs, room } = this.#facts
    for (const tick of ticksOf(definition.timing, this.#cursorMs, nowMs, room - this.#taken)) {
      if (tick + jitterOf(scheduleId, tick, definition.jitterMs) > nowMs) return
      if (!this.#isBusy()) this.#start(tick)
      else if (!this.#overlap(tick)) return
      this.#cursorMs = tick
    }
  }

  startBackfills(): void {
    while (this.#hasRoom() && !this.#isBusy()) {
      const [current, ...others] = this.#backfills
      const [tick, ...left] = current?.ticks ?? []
      if (current === undefined || tick === undefined) return
      this.#backfills = left.length === 0 ? others : [{ ...current, ticks: left }, ...others]
      this.#start(tick, current.triggerKey)
    }
  }

  decision(): Decision {
    const { definition, progress } = this.#schedule
    const { nowMs } = this.#facts
    const moved: ScheduleProgress = {
      ...progress,
      cursorMs: this.#cursorMs,
      nextTickMs:
        this.#cursorMs === progress.cursorMs
          ? progress.nextTickMs
          : nextTickOf(definition.timing, this.#cursorMs),
      lastFireAtMs: this.#starts.length > 0 ? nowMs : progress.lastFireAtMs,
      running: this.#running.slice(-limits.scheduleRunningMax),
      buffered: this.#buffered,
      backfills: this.#backfills,
      cancels: this.#cancels,
      starts: this.#starts,
    }
    return {
      progress: { ...moved, lookAtMs: waits(moved) && this.#isBusy() ? nowMs + this.#pauseMs() : null },
      items: this.#items,
      taken: this.#taken,
    }
  }

  /** A tick that meets work which runs. Answers whether it is dealt with in this step. */
  #overlap(tick: number): boolean {
    switch (this.#schedule.definition.overlap) {
      case 'buffer_one':
        return this.#buffer(tick, 1)
      case 'buffer_all':
        return this.#buffer(tick, limits.scheduleBufferedMax)
      case 'cancel_other':
        // What this step starts must have begun before it can be cancelled.
        if (this.#starts.length > 0) return false
        this.#cancels = this.#running.map(({ id }) => id)
        this.#running = []
        this.#start(tick)
        return true
      default:
        this.#taken++
        return this.#tell('skipped', tick)
    }
  }

  #buffer(tick: number, max: number): true {
    this.#taken++
    if (this.#buffered.length >= max) return this.#tell('skipped', tick, 'limit_exceeded')
    this.#buffered = [...this.#buffered, tick]
    return this.#tell('buffered', tick)
  }

  #start(tick: number, triggerKey?: string): void {
    const { work, progress } = this.#schedule
    const id = tickId(this.#schedule, work.kind, progress.home, tick)
    this.#taken++
    // A backfill may come to a tick in the very step that takes it.
    if (!this.#starts.some((each) => each.id === id)) this.#starts.push({ id, tickMs: tick, triggerKey })
    this.#running = [
      ...this.#running.filter((each) => each.id !== id),
      { id, startedAtMs: this.#facts.nowMs },
    ]
  }

  #hasRoom(): boolean {
    return this.#taken < this.#facts.room
  }

  #isBusy(): boolean {
    return this.#schedule.definition.overlap !== 'allow_all' && this.#running.length > 0
  }

  /** Until the next look: a share of how long the youngest work has run, so that what takes long is asked about seldom. */
  #pauseMs(): number {
    const ranMs = this.#facts.nowMs - (this.#running.at(-1)?.startedAtMs ?? this.#facts.nowMs)
    return Math.min(
      Math.max(Math.floor(ranMs / LOOKS_PER_RUN), limits.scheduleLookMsMin),
      limits.scheduleLookMsMax,
    )
  }

  #tell(outcome: ScheduleFireItem['outcome'], tickMs: number, code?: string): true {
    const { scheduleId } = this.#schedule
    const item = { outcome, scheduleId, tickMs, started: null }
    this.#items.push(code === undefined ? item : { ...item, code })
    return true
  }
}

const LOOKS_PER_RUN = 8
