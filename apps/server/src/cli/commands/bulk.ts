import { setTimeout as pause } from 'node:timers/promises'
import {
  type ExecutionFilter,
  mintOperationId,
  type Operation,
  type OperationId,
  type OperationWork,
  parseOperationId,
} from '@flowfabric/core'
import type { Connection, ServerBackend } from '@flowfabric/sdk'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { type FilterFlags, filterOf, withEndOptions, withFilterOptions } from '../filter-options.js'
import { formatFields, formatJson, formatTable, formatTime } from '../format.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'

interface BulkFlags extends ClientFlags, FilterFlags {
  readonly all?: boolean
  readonly reason?: string
  readonly id?: string
  readonly wait?: boolean
}

/** `operations`, and what may be done to many executions at once. */
export function addBulk(program: Command, terminal: Terminal): void {
  const operations = withClientOptions(
    program
      .command('operations')
      .description('list bulk operations, begin one, or show, pause, resume and stop one'),
  ).action((flags: ClientFlags) => listOperations(terminal, flags))

  for (const kind of ['cancel', 'replay'] as const) {
    const isReplay = kind === 'replay'
    const command = withFilterOptions(
      withClientOptions(operations.command(kind)),
      isReplay ? 'that ended so; required' : undefined,
    )
    ;(isReplay ? withEndOptions(command) : command)
      .description(isReplay ? 'run again all that match and have ended' : 'cancel all executions that match')
      .option('--all', 'all of the namespace, where nothing else is said')
      .option('--reason <text>', 'why, for the record')
      .option('--id <id>', 'an id of your own: a repeat under it begins nothing')
      .option('--wait', 'until it has ended')
      .action((flags: BulkFlags) => begin(terminal, kind, flags))
  }
  withClientOptions(
    operations.command('show <id>').description('how far it has come, and its failures'),
  ).action((id: string, flags: ClientFlags) =>
    withConnection(terminal, flags, async ({ backend, namespace }) => {
      const { operation } = await backend.operations.get({ namespace, operationId: parseOperationId(id) })
      show(terminal, flags, operation)
    }),
  )
  for (const [action, description] of [
    ['pause', 'wait after the batch that runs'],
    ['resume', 'go on where it stopped'],
    ['stop', 'end after the batch that runs; what is done stays'],
  ] as const) {
    withClientOptions(operations.command(`${action} <id>`))
      .description(description)
      .option('--reason <text>', 'why, for the record')
      .action((id: string, flags: ClientFlags & { readonly reason?: string }) =>
        withConnection(terminal, flags, async ({ backend, namespace }) => {
          const params = { namespace, operationId: parseOperationId(id), reason: flags.reason }
          const answer = await backend.operations[action](params)
          terminal.out(flags.json ? formatJson(answer) : answer.outcome)
          if (answer.outcome === 'already_ended') throw new CommandError('It has ended', exitCodes.refused)
        }),
      )
  }
}

async function begin(terminal: Terminal, kind: 'cancel' | 'replay', flags: BulkFlags): Promise<void> {
  const filter = statedFilterOf(flags)
  const work: OperationWork = { kind, filter, reason: flags.reason }
  await withConnection(terminal, flags, async (connection) => {
    const { backend, namespace } = connection
    const operationId = flags.id === undefined ? mintOperationId() : parseOperationId(flags.id)
    const answer = await backend.operations.create({ namespace, operationId, work })
    if (answer.outcome === 'operation_conflict')
      throw new CommandError(`${operationId} is another operation`, exitCodes.refused)
    if (flags.wait !== true) {
      terminal.out(flags.json ? formatJson(answer) : `${answer.outcome} ${operationId}`)
      return
    }
    const operation = await waitFor(terminal, connection, operationId)
    show(terminal, flags, operation)
    if (operation.failed > 0) throw new CommandError('Not all of it could be done', exitCodes.refused)
  })
}

/** Everything of a namespace is only meant where that is said. */
function statedFilterOf(flags: BulkFlags): ExecutionFilter {
  const filter = filterOf(flags)
  const { states: _, ...which } = filter
  if (flags.all !== true && Object.values(which).every((value) => value === undefined))
    throw new CommandError(
      'Say which: --lane, --kind, --tag, --flow, --from or --before, or --all',
      exitCodes.usage,
    )
  return filter
}

async function waitFor(
  terminal: Terminal,
  { backend, namespace }: Connection<ServerBackend>,
  operationId: OperationId,
): Promise<Operation> {
  let told = ''
  for (;;) {
    const { operation } = await backend.operations.get({ namespace, operationId })
    const line = progressOf(operation)
    if (line !== told) terminal.err(line)
    told = line
    if (operation.endedAtMs !== null) return operation
    await pause(LOOK_MS, undefined, { signal: terminal.signal })
  }
}

async function listOperations(terminal: Terminal, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { items, nextCursor } = await backend.operations.list({ namespace, limit: 1_000 })
    if (flags.json) return terminal.out(formatJson({ items, nextCursor }))
    const rows = items.map((operation) => [
      operation.id,
      operation.work.kind,
      operation.state,
      progressOf(operation),
      String(operation.failed),
      formatTime(operation.createdAtMs),
    ])
    terminal.out(formatTable(['id', 'work', 'state', 'progress', 'failed', 'began'], rows))
    if (nextCursor !== null) terminal.err('There are more: these are the newest 1000.')
  })
}

function show(terminal: Terminal, flags: ClientFlags, operation: Operation): void {
  if (flags.json) {
    terminal.out(formatJson(operation))
    return
  }
  const { id, work, state, done, unchanged, failed, total, failures, createdAtMs, endedAtMs } = operation
  terminal.out(
    formatFields({
      id,
      work: work.kind,
      of: work.kind === 'budget_breach' ? work.budgetId : JSON.stringify(work.filter),
      state,
      done: `${done}${total === null ? '' : ` of ${total}`}`,
      unchanged: String(unchanged),
      failed: String(failed),
      failures: failures.map(({ executionId, code }) => `${executionId} ${code}`).join('\n'),
      began: formatTime(createdAtMs),
      ended: formatTime(endedAtMs),
    }),
  )
}

function progressOf({ done, unchanged, failed, total }: Operation): string {
  const looked = done + unchanged + failed
  if (total === null) return String(looked)
  return total === 0 ? '0/0' : `${looked}/${total} (${Math.min(100, Math.floor((100 * looked) / total))}%)`
}

const LOOK_MS = 250
