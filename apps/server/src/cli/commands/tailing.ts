import { type EngineEvent, limits, parseExecutionIdUrl, parseFlowId, parseLaneId } from '@flowfabric/core'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatTime } from '../format.js'
import type { Terminal } from '../terminal.js'

interface TailFlags extends ClientFlags {
  readonly flow?: string
  readonly execution?: string
  readonly lane?: string
  readonly all?: boolean
  readonly cursor?: string
}

/** `tail`: the change feed, a line an event, until it is interrupted. */
export function addTailing(program: Command, terminal: Terminal): void {
  withClientOptions(program.command('tail').description('follow the change feed'))
    .option('--flow <flowId>', 'only of this flow')
    .option('--execution <id>', 'only of this execution')
    .option('--lane <lane>', 'only of this lane')
    .option('--all', 'from the oldest event that is kept, not from now on')
    .option('--cursor <cursor>', 'go on after this')
    .action((flags: TailFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const filter = {
          flowId: flags.flow === undefined ? undefined : parseFlowId(flags.flow),
          executionId: flags.execution === undefined ? undefined : parseExecutionIdUrl(flags.execution),
          lane: flags.lane === undefined ? undefined : parseLaneId(flags.lane),
        }
        let { cursor } = flags
        while (!terminal.signal.aborted) {
          const page = await backend.events.read({
            namespace,
            cursor,
            from: flags.all ? 'oldest' : 'now',
            filter: Object.values(filter).some((value) => value !== undefined) ? filter : undefined,
            waitMs: limits.waitMsMax,
            signal: terminal.signal,
          })
          for (const event of page.events)
            terminal.out(flags.json ? JSON.stringify(event) : describeEvent(event))
          cursor = page.cursor
        }
      }).catch((error: unknown) => {
        // An interrupted wait is how this command ends.
        if (!terminal.signal.aborted) throw error
      }),
    )
}

function describeEvent(event: EngineEvent): string {
  const time = formatTime(event.atMs)
  if (event.type === 'flow')
    return `${time}  flow ${event.flowId}  ${event.previousState ?? '·'} → ${event.state}`
  if (event.type === 'budget') return `${time}  budget ${event.budgetId} ${event.change}`
  if (event.type === 'signal') return `${time}  ${event.executionId}  signal ${event.name} ${event.outcome}`
  const { executionId, name, kind, publicState, previousState, attemptIndex, cancelCause } = event
  const attempt = attemptIndex === null ? '' : `  attempt ${attemptIndex}`
  const cause = cancelCause === null ? '' : ` (${cancelCause})`
  return `${time}  ${executionId}  ${name ?? kind}  ${previousState ?? '·'} → ${publicState}${cause}${attempt}`
}
