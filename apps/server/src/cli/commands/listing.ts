import type { Execution, Flow, PublicState } from '@flowfabric/core'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatDuration, formatJson, formatTable } from '../format.js'
import type { Terminal } from '../terminal.js'

interface ListFlags extends ClientFlags {
  readonly flows?: boolean
  readonly state?: readonly string[]
  readonly lane?: string
  readonly kind?: string
  readonly limit: string
}

/** `ls`: executions, or with `--flows` flows. */
export function addListing(program: Command, terminal: Terminal): void {
  withClientOptions(program.command('ls').description('list executions, newest first'))
    .option('--flows', 'flows instead')
    .option('--state <state...>', 'only in these states')
    .option('--lane <lane>', 'only of this lane')
    .option('--kind <kind>', 'only of this kind')
    .option('--limit <n>', 'how many', '20')
    .action((flags: ListFlags) =>
      flags.flows ? listFlows(terminal, flags) : listExecutions(terminal, flags),
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

async function listExecutions(terminal: Terminal, flags: ListFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { items, nextCursor } = await backend.executions.list({
      namespace,
      limit: Number(flags.limit),
      filter: {
        lane: flags.lane as Execution['lane'] | undefined,
        kind: flags.kind as Execution['kind'] | undefined,
        states: flags.state as readonly PublicState[] | undefined,
      },
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
      states: flags.state as readonly Flow['state'][] | undefined,
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
