import {
  deriveUuid,
  mintUuid,
  type OverlapPolicy,
  type Page,
  type PageRequest,
  parseScheduleId,
  type Schedule,
  type ScheduledId,
  type ScheduleId,
  type ScheduleSummary,
  type ScheduleTiming,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import type { FlowDefinition } from '../flows/define-flow.js'
import type { NoUpstream, Task } from '../tasks/task.js'
import type { ClientCore } from './client-core.js'
import { describeScheduledFlow, describeScheduledTask } from './describe-scheduled-work.js'
import type { FlowSubmitOptions } from './submit-flow.js'
import type { TaskInput, WorkOptions } from './submit-options.js'

/** When, and what to do when earlier work still runs. */
export type SchedulePlan = (WallClock | Interval) & {
  /** For people, and what listings are ordered by: 1…128 characters. */
  readonly label: string
  /** An id of your own (UUID). By default it follows from the label, so that a program may put its schedules at every start. */
  readonly id?: string | undefined
  /** Default `skip`. */
  readonly overlap?: OverlapPolicy | undefined
  /** Each fire is up to this later than its tick, always the same for the same tick. */
  readonly jitterMs?: number | undefined
  /** Ticks older than this are not caught up after a downtime: at least 30 s, default 24 h. */
  readonly catchUpMs?: number | undefined
}

export interface WallClock {
  /** Five fields, six with seconds first, or seven with a year last. */
  readonly cron: string
  /** A zone of the IANA base, default `UTC`. */
  readonly timeZone?: string | undefined
}

export interface Interval {
  /** At least 1 s; ticks are at full intervals since the epoch. */
  readonly everyMs: number
  /** By how much they lie behind those. */
  readonly offsetMs?: number | undefined
}

/** What may be said of work that starts again and again. */
export type RecurringOptions = Omit<WorkOptions, 'startAt'>

/** The answer to a trigger or a backfill. */
export interface Triggered {
  /** Whether the key was used before: nothing was started by this call. */
  readonly isDuplicate: boolean
  /** Ids of what it started, or will start in turn. */
  readonly started: readonly ScheduledId[]
  readonly refused: readonly { readonly tickMs: number; readonly code: string }[]
}

/** Schedules of the client's namespace. Handlers find the tick that started them in their tags, as `schedule.tick_ms`. */
export interface Schedules {
  /**
   * Create or replace. What a schedule has been through stands. Throws `invalid_schedule` for a timing that is unusable, and
   * `invalid_params` where the input does not fit its task.
   */
  put<Input, Output>(
    plan: SchedulePlan,
    task: Task<Input, Output, NoUpstream, unknown>,
    ...rest: TaskInput<Input, RecurringOptions>
  ): Promise<Schedule>
  put<Input, Results>(
    plan: SchedulePlan,
    flow: FlowDefinition<Input, Results>,
    ...rest: TaskInput<Input, Pick<FlowSubmitOptions, 'deadlineMs' | 'tags'>>
  ): Promise<Schedule>

  /** With its next fire times. Throws `schedule_not_found`. */
  get(id: string): Promise<{ readonly schedule: Schedule; readonly nextFiresMs: readonly number[] }>
  /** By label. */
  list(params?: PageRequest): Promise<Page<ScheduleSummary>>
  /** Whether it was there. What it started goes on. */
  delete(id: string): Promise<boolean>
  /** Whether it fired before. Throws `schedule_not_found`. */
  pause(id: string, reason?: string): Promise<boolean>
  /** Whether it was paused before. Throws `schedule_not_found`. */
  resume(id: string): Promise<boolean>
  /** Fire now, whatever runs. A repeat under the same key starts nothing. Throws `schedule_not_found`, `idempotency_conflict`. */
  trigger(id: string, options?: { readonly key?: string | undefined }): Promise<Triggered>
  /** Start each tick of a past range once, both ends included. Throws as `trigger`, and `limit_exceeded`. */
  backfill(
    id: string,
    range: {
      readonly from: number | Date
      readonly to: number | Date
      readonly key?: string | undefined
    },
  ): Promise<Triggered>

  /** The id of the schedule with that label, unless its plan states one. */
  idOf(label: string): ScheduleId
}

export function createSchedules(core: ClientCore): Schedules {
  const { backend, namespace } = core
  const named = (id: string) => ({ namespace, scheduleId: parseScheduleId(id) })
  const idOf = (label: string) => parseScheduleId(deriveUuid('schedule label', namespace, label))

  const put = async (
    plan: SchedulePlan,
    what: Task | FlowDefinition<unknown, unknown>,
    input?: unknown,
    options: object = {},
  ): Promise<Schedule> => {
    const { label, id, overlap, jitterMs, catchUpMs } = plan
    const work =
      'plan' in what
        ? await describeScheduledFlow(core.codec, what, input, options)
        : await describeScheduledTask(core.codec, what, input, options)
    const params = {
      namespace,
      scheduleId: id === undefined ? idOf(label) : parseScheduleId(id),
      label,
      timing: timingOf(plan),
      work,
      overlap,
      jitterMs,
      catchUpMs,
    }
    return (await callSafely(() => backend.schedules.put(params))).schedule
  }

  const pause = async (id: string, paused: boolean, reason?: string): Promise<boolean> => {
    const { outcome } = await callSafely(() => backend.schedules.pause({ ...named(id), paused, reason }))
    return outcome !== 'unchanged'
  }

  const trigger = async (
    id: string,
    triggerKey = mintUuid(),
    backfill?: { readonly fromMs: number; readonly toMs: number },
  ): Promise<Triggered> => {
    const answer = await callSafely(() => backend.schedules.trigger({ ...named(id), triggerKey, backfill }))
    if (answer.outcome === 'idempotency_conflict') throw refusalError(answer, `schedule ${id}`)
    const { outcome, started, refused } = answer
    return { isDuplicate: outcome === 'duplicate', started, refused }
  }

  return {
    put: put as unknown as Schedules['put'],
    get: async (id) => {
      const { schedule, nextFiresMs } = await callSafely(() => backend.schedules.get(named(id)))
      return { schedule, nextFiresMs }
    },
    list: (params = {}) => callSafely(() => backend.schedules.list({ namespace, ...params })),
    delete: async (id) => (await callSafely(() => backend.schedules.delete(named(id)))).outcome === 'deleted',
    pause: (id, reason) => pause(id, true, reason),
    resume: (id) => pause(id, false),
    trigger: (id, { key } = {}) => trigger(id, key),
    backfill: (id, { from, to, key }) => trigger(id, key, { fromMs: Number(from), toMs: Number(to) }),
    idOf,
  }
}

function timingOf(plan: SchedulePlan): ScheduleTiming {
  if ('cron' in plan) return { kind: 'cron', expression: plan.cron, timeZone: plan.timeZone ?? 'UTC' }
  return { kind: 'interval', everyMs: plan.everyMs, offsetMs: plan.offsetMs }
}
