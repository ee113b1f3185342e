import { type FlowCancelPolicy, flowCancelPolicies, type LaneState, parseLaneId } from '@flowfabric/core'
import { type Command, Option } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatDuration, formatJson, formatTable } from '../format.js'
import { readSubject } from '../subject.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'

/** Outcomes by which something was not done. */
const REFUSALS: ReadonlySet<string> = new Set([
  'execution_terminal',
  'flow_terminal',
  'flow_not_open',
  'replay_conflict',
  'nothing_to_replay',
  'max_replays_exceeded',
])

/** `cancel`, `replay` and `lanes`. */
export function addSteering(program: Command, terminal: Terminal): void {
  withClientOptions(program.command('cancel <id>').description('cancel an execution or a flow'))
    .option('--reason <text>', 'why, for the record')
    .option('--grace <ms>', 'an execution: how long a running attempt may still write')
    .addOption(
      new Option('--policy <policy>', 'a flow: what happens to its members')
        .choices(flowCancelPolicies)
        .default('cancel_all'),
    )
    .action(
      (id: string, flags: ClientFlags & { reason?: string; grace?: string; policy: FlowCancelPolicy }) =>
        withConnection(terminal, flags, async ({ backend, namespace }) => {
          const subject = readSubject(id)
          const { reason, policy } = flags
          const graceMs = flags.grace === undefined ? undefined : Number(flags.grace)
          const answer =
            'flowId' in subject
              ? await backend.flows.cancel({ namespace, flowId: subject.flowId, policy, reason })
              : await backend.executions.cancel({ namespace, id: subject.executionId, reason, graceMs })
          report(terminal, flags, answer)
        }),
    )

  withClientOptions(
    program.command('replay <id>').description('run an ended execution, or what failed of a flow, again'),
  )
    .option('--reason <text>', 'why, for the record')
    .action((id: string, flags: ClientFlags & { reason?: string }) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const subject = readSubject(id)
        const { reason } = flags
        const answer =
          'flowId' in subject
            ? await backend.flows.replay({ namespace, flowId: subject.flowId, from: 'failed', reason })
            : await backend.executions.replay({ namespace, id: subject.executionId, reason })
        report(terminal, flags, answer)
      }),
    )

  const lanes = withClientOptions(
    program.command('lanes').description('list lanes; pause, resume, drain or disable one'),
  )
  lanes.action((flags: ClientFlags) => listLanes(terminal, flags))
  for (const [name, state] of Object.entries(LANE_COMMANDS)) {
    withClientOptions(lanes.command(`${name} <lane>`).description(`make it ${state}`))
      .option('--reason <text>', 'why, for the record')
      .action((lane: string, flags: ClientFlags & { reason?: string }) =>
        withConnection(terminal, flags, async ({ backend, namespace }) => {
          const answer = await backend.lanes.setState({
            namespace,
            lane: parseLaneId(lane),
            state,
            reason: flags.reason,
          })
          terminal.out(flags.json ? formatJson(answer) : `${lane}: ${answer.previous} → ${state}`)
        }),
      )
  }
}

const LANE_COMMANDS: Readonly<Record<string, LaneState>> = {
  pause: 'paused',
  resume: 'active',
  drain: 'draining',
  disable: 'disabled',
}

async function listLanes(terminal: Terminal, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const { lanes } = await backend.lanes.list({ namespace })
    if (flags.json) return terminal.out(formatJson(lanes))
    const now = Date.now()
    const rows = lanes.map(({ lane, state, concurrency, depth, oldestReadyAtMs }) => [
      lane,
      state,
      concurrency === null ? '-' : String(concurrency),
      String(depth.waiting + depth.resumable),
      String(depth.active),
      String(depth.delayed + depth.waiting_children + depth.rate_limited + depth.suspended),
      String(depth.completed),
      String(depth.failed + depth.cancelled + depth.expired + depth.skipped),
      oldestReadyAtMs === null ? '-' : formatDuration(now - oldestReadyAtMs),
    ])
    terminal.out(
      formatTable(
        ['lane', 'state', 'cap', 'waiting', 'active', 'blocked', 'completed', 'other ends', 'oldest'],
        rows,
      ),
    )
  })
}

function report(terminal: Terminal, flags: ClientFlags, answer: { readonly outcome: string }): void {
  const { outcome, ...rest } = answer
  const details = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`
  terminal.out(flags.json ? formatJson(answer) : `${outcome}${details}`)
  if (REFUSALS.has(outcome)) throw new CommandError(`Not done: ${outcome}`, exitCodes.refused)
}
