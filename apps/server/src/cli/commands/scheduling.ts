import { mintUuid, parseScheduleId, type ScheduleSummary, type ScheduleTiming } from '@flowfabric/core'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatDuration, formatFields, formatJson, formatTable, formatTime } from '../format.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'

interface TriggerFlags extends ClientFlags {
  readonly key?: string
  readonly from?: string
  readonly to?: string
}

/** `schedules`, and what may be done to one. They are made by programs: what they start is more than a command line says. */
export function addScheduling(program: Command, terminal: Terminal): void {
  const schedules = withClientOptions(
    program
      .command('schedules')
      .description('list schedules, or pause, resume, trigger, show and delete one'),
  ).action((flags: ClientFlags) => listSchedules(terminal, flags))

  withClientOptions(schedules.command('show <id>').description('a schedule with its next fire times')).action(
    (id: string, flags: ClientFlags) => showSchedule(terminal, id, flags),
  )
  for (const paused of [true, false]) {
    withClientOptions(schedules.command(`${paused ? 'pause' : 'resume'} <id>`))
      .description(paused ? 'stop firing' : 'go on with the ticks that come')
      .option('--reason <text>', 'why, for the record')
      .action((id: string, flags: ClientFlags & { reason?: string }) =>
        withConnection(terminal, flags, async ({ backend, namespace }) => {
          const { reason } = flags
          const scheduleId = parseScheduleId(id)
          const answer = await backend.schedules.pause({ namespace, scheduleId, paused, reason })
          terminal.out(flags.json ? formatJson(answer) : answer.outcome)
        }),
      )
  }
  withClientOptions(schedules.command('trigger <id>'))
    .description('fire now, or with --from and --to each tick of a past range once')
    .option('--key <key>', 'a repeat under the same key starts nothing')
    .option('--from <time>', 'the beginning of the range, as ISO 8601')
    .option('--to <time>', 'its end')
    .action((id: string, flags: TriggerFlags) => triggerSchedule(terminal, id, flags))
  withClientOptions(schedules.command('delete <id>').description('what it started goes on')).action(
    (id: string, flags: ClientFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const answer = await backend.schedules.delete({ namespace, scheduleId: parseScheduleId(id) })
        terminal.out(flags.json ? formatJson(answer) : answer.outcome)
        if (answer.outcome === 'not_found') throw new CommandError(`No schedule ${id}`, exitCodes.notFound)
      }),
  )
}

async function listSchedules(terminal: Terminal, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const items: ScheduleSummary[] = []
    let cursor: string | undefined
    do {
      const page = await backend.schedules.list({ namespace, limit: 1_000, cursor })
      items.push(...page.items)
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    if (flags.json) return terminal.out(formatJson(items))
    const rows = items.map(({ id, label, timing, paused, nextFireAtMs, lastFireAtMs, lastRefusal }) => [
      id,
      label,
      formatTiming(timing),
      paused ? 'paused' : formatTime(nextFireAtMs),
      formatTime(lastFireAtMs),
      lastRefusal === null ? '-' : lastRefusal.code,
    ])
    terminal.out(formatTable(['id', 'label', 'timing', 'next', 'last', 'last refusal'], rows))
  })
}

async function showSchedule(terminal: Terminal, id: string, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const answer = await backend.schedules.get({ namespace, scheduleId: parseScheduleId(id) })
    if (flags.json) return terminal.out(formatJson(answer))
    const { schedule, nextFiresMs } = answer
    const { work, lastRefusal } = schedule
    terminal.out(
      formatFields({
        id: schedule.id,
        label: schedule.label,
        timing: formatTiming(schedule.timing),
        starts: work.kind === 'flow' ? `a flow of ${work.nodes.length} nodes` : work.spec.kind,
        overlap: schedule.overlap,
        state: schedule.paused
          ? `paused${schedule.pauseReason ? `: ${schedule.pauseReason}` : ''}`
          : 'firing',
        last: formatTime(schedule.lastFireAtMs),
        next: nextFiresMs.map(formatTime).join(' '),
        running: schedule.running.join(' '),
        buffered: schedule.bufferedMs.map(formatTime).join(' '),
        backfills: schedule.backfills.map((each) => `${each.triggerKey}: ${each.ticksLeft} left`).join(', '),
        refused: lastRefusal === null ? null : `${lastRefusal.code} at ${formatTime(lastRefusal.atMs)}`,
      }),
    )
  })
}

async function triggerSchedule(terminal: Terminal, id: string, flags: TriggerFlags): Promise<void> {
  const { key: triggerKey = mintUuid(), from, to } = flags
  if ((from === undefined) !== (to === undefined))
    throw new CommandError('A range has both --from and --to', exitCodes.usage)
  const backfill =
    from === undefined || to === undefined ? undefined : { fromMs: readTime(from), toMs: readTime(to) }
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const scheduleId = parseScheduleId(id)
    const answer = await backend.schedules.trigger({ namespace, scheduleId, triggerKey, backfill })
    if (flags.json) terminal.out(formatJson(answer))
    else if (answer.outcome === 'idempotency_conflict') terminal.out(answer.outcome)
    else terminal.out([answer.outcome, ...answer.started].join('\n'))
    const isRefused = answer.outcome === 'idempotency_conflict' || answer.refused.length > 0
    if (isRefused) throw new CommandError('Not done, or not all of it', exitCodes.refused)
  })
}

function readTime(text: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new CommandError(`${text} is no time in ISO 8601`, exitCodes.usage)
  return ms
}

function formatTiming(timing: ScheduleTiming): string {
  if (timing.kind === 'cron') return `${timing.expression} ${timing.timeZone}`
  return `every ${formatDuration(timing.everyMs)}`
}
