import {
  mintQuotaId,
  parseQuotaId,
  type Quota,
  type QuotaSettings,
  type QuotaStrategy,
  quotaStrategies,
} from '@flowfabric/core'
import { type Command, Option } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatDuration, formatFields, formatJson, formatTable, formatTime } from '../format.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'
import { readDuration } from '../time.js'

interface SettingFlags extends ClientFlags {
  readonly label?: string
  readonly rate?: string
  readonly concurrency?: string
  readonly strategy?: QuotaStrategy
}

/** `quotas`, and what may be done to one. */
export function addQuotas(program: Command, terminal: Terminal): void {
  const quotas = withClientOptions(
    program.command('quotas').description('list quotas, or create, show and set one'),
  ).action((flags: ClientFlags) => listQuotas(terminal, flags))

  withClientOptions(quotas.command('show <id>').description('what is held and spent of one of its keys'))
    .option('--key <key>', 'the key (default: the empty one)')
    .action((id: string, flags: ClientFlags & { readonly key?: string }) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const answer = await backend.quotas.get({ namespace, quotaId: parseQuotaId(id), key: flags.key })
        show(terminal, flags, answer.quota)
      }),
    )
  withSettings(
    withClientOptions(quotas.command('create <label>').description('a rate, a number of slots, or both')),
  )
    .option('--id <id>', 'an id of your own: a repeat with it means the same quota')
    .action((label: string, flags: SettingFlags & { readonly id?: string }) =>
      createQuota(terminal, label, flags),
    )
  withSettings(
    withClientOptions(
      quotas.command('set <id>').description('change what is stated; what is held stays held'),
    ),
  )
    .option('--label <text>', 'what it is for')
    .action((id: string, flags: SettingFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const settings = settingsOf(flags)
        const answer = await backend.quotas.update({ namespace, quotaId: parseQuotaId(id), settings })
        show(terminal, flags, answer.quota)
      }),
    )
}

function withSettings(command: Command): Command {
  return command
    .option('--rate <units/duration>', 'in any stretch of that length, such as 100/1m (`none`: any)')
    .option('--concurrency <slots>', 'how many run at once (`none`: any)')
    .addOption(new Option('--strategy <strategy>', 'what happens when it is full').choices(quotaStrategies))
}

async function createQuota(
  terminal: Terminal,
  label: string,
  flags: SettingFlags & { readonly id?: string },
): Promise<void> {
  const quotaId = flags.id === undefined ? mintQuotaId() : parseQuotaId(flags.id)
  const settings = { rate: null, concurrency: null, strategy: 'queue', ...settingsOf(flags), label } as const
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const answer = await backend.quotas.create({ ...settings, namespace, quotaId })
    if (answer.outcome === 'quota_conflict')
      throw new CommandError(`${quotaId} is another quota`, exitCodes.refused)
    terminal.out(flags.json ? formatJson(answer) : `${answer.outcome} ${quotaId}`)
  })
}

/** What is stated, and nothing else. */
function settingsOf({ label, rate, concurrency, strategy }: SettingFlags): Partial<QuotaSettings> {
  return {
    ...(label !== undefined && { label }),
    ...(rate !== undefined && { rate: rate === 'none' ? null : readRate(rate) }),
    ...(concurrency !== undefined && { concurrency: concurrency === 'none' ? null : readSlots(concurrency) }),
    ...(strategy !== undefined && { strategy }),
  }
}

function readSlots(text: string): number {
  if (!/^\d+$/.test(text)) throw new CommandError(`${text} is no number of slots`, exitCodes.usage)
  return Number(text)
}

function readRate(text: string): NonNullable<QuotaSettings['rate']> {
  const [, units, window] = /^(\d+)\/(\w+)$/.exec(text) ?? []
  if (window === undefined) throw new CommandError(`${text} is no rate such as 100/1m`, exitCodes.usage)
  return { units: Number(units), windowMs: readDuration(window) }
}

async function listQuotas(terminal: Terminal, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { items, nextCursor } = await backend.quotas.list({ namespace, limit: 1_000 })
    if (flags.json) return terminal.out(formatJson({ items, nextCursor }))
    const rows = items.map((quota) => [
      quota.id,
      quota.label,
      formatRate(quota),
      formatSlots(quota),
      quota.strategy,
      String(quota.waiting),
    ])
    terminal.out(formatTable(['id', 'label', 'rate', 'slots', 'when full', 'waiting'], rows))
    if (nextCursor !== null) terminal.err('There are more: these are the newest 1000.')
  })
}

function show(terminal: Terminal, flags: ClientFlags, quota: Quota): void {
  if (flags.json) {
    terminal.out(formatJson(quota))
    return
  }
  terminal.out(
    formatFields({
      id: quota.id,
      label: quota.label,
      key: quota.key,
      rate: formatRate(quota),
      slots: formatSlots(quota),
      full: quota.strategy,
      waiting: quota.waiting,
      room: quota.retryAtMs === null ? null : `at ${formatTime(quota.retryAtMs)}`,
    }),
  )
}

const formatRate = ({ rate, unitsInWindow }: Quota) =>
  rate === null ? '-' : `${unitsInWindow}/${rate.units} in ${formatDuration(rate.windowMs)}`

const formatSlots = ({ concurrency, held }: Quota) => (concurrency === null ? '-' : `${held}/${concurrency}`)
