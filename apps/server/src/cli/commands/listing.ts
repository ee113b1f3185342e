import { type CountGrouping, countGroupings } from '@flowfabric/core'
import { type Command, Option } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import {
  type FilterFlags,
  filterOf,
  flowFilterOf,
  withEndOptions,
  withFilterOptions,
} from '../filter-options.js'
import { formatDuration, formatJson, formatTable } from '../format.js'
import type { Terminal } from '../terminal.js'

interface ListFlags extends ClientFlags, FilterFlags {
  readonly flows?: boolean
  readonly name?: string
  readonly limit: string
}

/** `ls`: executions, or with `--flows` flows; `count` and `workers`. */
export function addListing(program: Command, terminal: Terminal): void {
  const list = withClientOptions(program.command('ls').description('list executions, newest first'))
  withEndOptions(withFilterOptions(list))
    .option('--flows', 'flows instead')
    .option('--name <name>', 'flows of this name')
    .option('--limit <n>', 'how many', '20')
    .action((flags: ListFlags) =>
      flags.flows ? listFlows(terminal, flags) : listExecutions(terminal, flags),
    )

  const count = withClientOptions(program.command('count').description('count executions that match'))
  withEndOptions(withFilterOptions(count))
    .addOption(new Option('--by <what>', 'apart, the largest first').choices(countGroupings))
    .action((flags: ClientFlags & FilterFlags & { readonly by?: CountGrouping }) =>
      countExecutions(terminal, flags),
    )

  withClientOptions(program.command('workers').description('list living workers')).action(
    (flags: ClientFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const { workers } = await backend.workers.list({ namespace })
        if (flags.json) return terminal.out(formatJson(workers))
        const now = Date.now()
        const rows = workers.map((worker) => [
          worker.workerId,
          worker.instanceId,
          worker.lanes.join(','),
          worker.kinds.join(','),
          `${worker.active}/${worker.concurrency}`,
          worker.draining ? 'draining' : 'working',
          formatDuration(now - worker.lastSeenAtMs),
        ])
        terminal.out(formatTable(['worker', 'instance', 'lanes', 'kinds', 'active', 'state', 'seen'], rows))
      }),
  )
}

async function countExecutions(
  terminal: Terminal,
  flags: ClientFlags & FilterFlags & { readonly by?: CountGrouping },
): Promise<void> {
  const { by } = flags
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { count, groups } = await backend.executions.count({ namespace, filter: filterOf(flags), by })
    if (flags.json) return terminal.out(formatJson({ count, groups }))
    if (groups === undefined) return terminal.out(String(count))
    const rows = groups.map((group) => [group.name, String(group.count)])
    terminal.out(formatTable([by ?? '', 'executions'], [...rows, ['(all)', String(count)]]))
  })
}

async function listExecutions(terminal: Terminal, flags: ListFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { items, nextCursor } = await backend.executions.list({
      namespace,
      limit: Number(flags.limit),
      filter: filterOf(flags),
    })
    if (flags.json) return terminal.out(formatJson({ items, nextCursor }))
    const now = Date.now()
    const rows = items.map((item) => [
      item.id,
      item.name ?? item.kind,
      item.lane,
      item.publicState,
      String(item.attemptCount),
      formatDuration(now - item.createdAtMs),
    ])
    terminal.out(formatTable(['id', 'name', 'lane', 'state', 'attempts', 'age'], rows))
    if (nextCursor !== null) terminal.err(`There are more; ask with --limit (up to 1000).`)
  })
}

async function listFlows(terminal: Terminal, flags: ListFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { items, nextCursor } = await backend.flows.list({
      namespace,
      limit: Number(flags.limit),
      ...flowFilterOf(flags),
    })
    if (flags.json) return terminal.out(formatJson({ items, nextCursor }))
    const now = Date.now()
    const rows = items.map(({ id, name, state, summary, createdAtMs }) => [
      id,
      name ?? '-',
      state,
      `${Math.round(summary.progress * 100)}% of ${summary.totalMembers}`,
      formatDuration(now - createdAtMs),
    ])
    terminal.out(formatTable(['id', 'name', 'state', 'done', 'age'], rows))
    if (nextCursor !== null) terminal.err(`There are more; ask with --limit (up to 1000).`)
  })
}
