import {
  type Amounts,
  type Budget,
  type BudgetLimit,
  type BudgetSettings,
  type HardBreachRule,
  hardBreachRules,
  mintBudgetId,
  mintUuid,
  parseBudgetId,
} from '@flowfabric/core'
import { type Command, Option } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatDuration, formatFields, formatJson, formatTable, formatTime } from '../format.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'
import { readDuration, readTime } from '../time.js'

interface SettingFlags extends ClientFlags {
  readonly label?: string
  readonly hard?: readonly string[]
  readonly soft?: readonly string[]
  readonly every?: string
  readonly onBreach?: HardBreachRule
}

interface CreateFlags extends SettingFlags {
  readonly firstReset?: string
  readonly id?: string
}

interface ResetFlags extends ClientFlags {
  readonly key?: string
  readonly reason?: string
}

/** `budgets`, and what may be done to one. */
export function addBudgets(program: Command, terminal: Terminal): void {
  const budgets = withClientOptions(
    program.command('budgets').description('list budgets, or create, show, set and reset one'),
  ).action((flags: ClientFlags) => listBudgets(terminal, flags))

  withClientOptions(budgets.command('show <id>').description('what is spent and reserved')).action(
    (id: string, flags: ClientFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const answer = await backend.budgets.get({ namespace, budgetId: parseBudgetId(id) })
        show(terminal, flags, answer.budget)
      }),
  )
  withSettings(
    withClientOptions(budgets.command('create <label>').description('with a limit in each dimension')),
  )
    .option('--first-reset <when>', 'as ISO 8601, or from now such as 6h (default: a period from now)')
    .option('--id <id>', 'an id of your own: a repeat with it means the same budget')
    .action((label: string, flags: CreateFlags) => createBudget(terminal, label, flags))
  withSettings(withClientOptions(budgets.command('set <id>')))
    .description('change what is stated, and nothing else; limits are stated all together')
    .option('--label <text>', 'what it is for')
    .action((id: string, flags: SettingFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const settings = settingsOf(flags)
        const answer = await backend.budgets.update({ namespace, budgetId: parseBudgetId(id), settings })
        show(terminal, flags, answer.budget)
      }),
    )
  withClientOptions(budgets.command('reset <id>'))
    .description('begin a new period now; what is reserved counts in it')
    .option('--key <key>', 'a repeat under the same key resets nothing')
    .option('--reason <text>', 'why, for the record')
    .action((id: string, { key: resetKey = mintUuid(), reason, ...flags }: ResetFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const answer = await backend.budgets.reset({
          namespace,
          budgetId: parseBudgetId(id),
          resetKey,
          reason,
        })
        terminal.out(flags.json ? formatJson(answer) : answer.outcome)
      }),
    )
}

function withSettings(command: Command): Command {
  return command
    .option('--hard <dimension=amount...>', 'nothing starts once so much is spent, such as tokens=100000')
    .option('--soft <dimension=amount...>', 'more than this is told, and stops nothing')
    .option('--every <duration>', 'begin anew after so long, such as 1d (`none`: never)')
    .addOption(new Option('--on-breach <rule>', 'what follows a hard breach').choices(hardBreachRules))
}

async function createBudget(terminal: Terminal, label: string, flags: CreateFlags): Promise<void> {
  const { firstReset, id } = flags
  const { limits, ...settings } = settingsOf(flags)
  if (limits === undefined) throw new CommandError('Say how much: --hard or --soft', exitCodes.usage)
  const budgetId = id === undefined ? mintBudgetId() : parseBudgetId(id)
  const firstResetAtMs = firstReset === undefined ? undefined : readTime(firstReset)
  const stated = { onHardBreach: 'block_new', resetPeriodMs: null, ...settings, label, limits } as const
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const answer = await backend.budgets.create({ ...stated, namespace, budgetId, firstResetAtMs })
    if (answer.outcome === 'budget_conflict')
      throw new CommandError(`${budgetId} is another budget`, exitCodes.refused)
    terminal.out(flags.json ? formatJson(answer) : `${answer.outcome} ${budgetId}`)
  })
}

/** What is stated, and nothing else. */
function settingsOf({ label, hard, soft, every, onBreach }: SettingFlags): Partial<BudgetSettings> {
  return {
    ...(label !== undefined && { label }),
    ...((hard !== undefined || soft !== undefined) && { limits: limitsOf(hard, soft) }),
    ...(every !== undefined && { resetPeriodMs: every === 'none' ? null : readDuration(every) }),
    ...(onBreach !== undefined && { onHardBreach: onBreach }),
  }
}

function limitsOf(hard: readonly string[] = [], soft: readonly string[] = []): BudgetSettings['limits'] {
  const limits = new Map<string, BudgetLimit>()
  for (const [kind, texts] of [
    ['hard', hard],
    ['soft', soft],
  ] as const) {
    for (const text of texts) {
      const [, dimension, amount] = /^([^=]+)=(\d+)$/.exec(text) ?? []
      if (dimension === undefined)
        throw new CommandError(`${text} is no limit such as tokens=100000`, exitCodes.usage)
      limits.set(dimension, { soft: null, hard: null, ...limits.get(dimension), [kind]: Number(amount) })
    }
  }
  return Object.fromEntries(limits)
}

async function listBudgets(terminal: Terminal, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { items, nextCursor } = await backend.budgets.list({ namespace, limit: 1_000 })
    if (flags.json) return terminal.out(formatJson({ items, nextCursor }))
    const rows = items.map((budget) => [
      budget.id,
      budget.label,
      linesOf(budget).join(', '),
      budget.breach,
      String(budget.waiting),
      formatTime(budget.nextResetAtMs),
    ])
    terminal.out(formatTable(['id', 'label', 'spent', 'breach', 'waiting', 'next reset'], rows))
    if (nextCursor !== null) terminal.err('There are more: these are the newest 1000.')
  })
}

function show(terminal: Terminal, flags: ClientFlags, budget: Budget): void {
  if (flags.json) {
    terminal.out(formatJson(budget))
    return
  }
  const { id, label, onHardBreach, resetPeriodMs, breach, period, periodStartedAtMs, waiting } = budget
  terminal.out(
    formatFields({
      id,
      label,
      spent: linesOf(budget).join('\n       '),
      breach,
      rule: onHardBreach,
      waiting,
      period: `${period}, since ${formatTime(periodStartedAtMs)}`,
      resets: resetPeriodMs === null ? 'never' : `every ${formatDuration(resetPeriodMs)}`,
      next: budget.nextResetAtMs === null ? null : formatTime(budget.nextResetAtMs),
    }),
  )
}

/** A line for each dimension: `tokens 120/1000 (soft 800), 50 reserved`. */
function linesOf({ limits, used, reserved }: Budget): readonly string[] {
  return Object.entries(limits).map(([dimension, { soft, hard }]) => {
    const warned = soft === null ? '' : ` (soft ${soft})`
    const kept = amountOf(reserved, dimension)
    const spent = `${dimension} ${amountOf(used, dimension)}/${hard ?? 'any'}${warned}`
    return kept === 0 ? spent : `${spent}, ${kept} reserved`
  })
}

const amountOf = (amounts: Amounts, dimension: string) => amounts[dimension] ?? 0
