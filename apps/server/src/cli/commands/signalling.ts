import {
  deriveWaitpointId,
  isWaitpointId,
  mintSignalId,
  parseExecutionIdUrl,
  parseWaitpointId,
  partitionIndexOf,
  type WaitpointId,
} from '@flowfabric/core'
import { openConnection, type ServerBackend } from '@flowfabric/sdk'
import type { Command } from 'commander'
import { addressOf, type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { formatJson } from '../format.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'
import { readTime } from '../time.js'
import { listWaitpoints, waitpointTable } from '../waitpoints.js'

interface SignalFlags extends ClientFlags {
  readonly payload?: string
  readonly key?: string
}

/** `signal`, and `waitpoints` with what may be done to one. */
export function addSignalling(program: Command, terminal: Terminal): void {
  withSignalOptions(
    program
      .command('signal <execution> <waitpoint> <name>')
      .description('send a signal to a waitpoint of an execution, by the waitpoint’s name or id'),
  ).action((execution: string, waitpoint: string, name: string, flags: SignalFlags) =>
    withConnection(terminal, flags, async ({ backend, namespace }) => {
      const executionId = parseExecutionIdUrl(execution)
      const id = isWaitpointId(waitpoint) ? waitpoint : deriveWaitpointId(executionId, waitpoint)
      const answer = await backend.suspensions.deliverSignal({
        ...describeSignal(id, name, flags),
        namespace,
        source: null,
      })
      report(terminal, flags, answer)
    }),
  )

  const waitpoints = withClientOptions(
    program
      .command('waitpoints')
      .description('list the waitpoints of an execution; open or close one, mint a token of one, or use it'),
  )
  withClientOptions(
    waitpoints.command('ls <execution>', { isDefault: true }).description('oldest first'),
  ).action((execution: string, flags: ClientFlags) =>
    withConnection(terminal, flags, async (connection) => {
      const found = await listWaitpoints(connection, parseExecutionIdUrl(execution))
      terminal.out(flags.json ? formatJson(found) : waitpointTable(found))
    }),
  )
  withClientOptions(waitpoints.command('open <execution> <name>'))
    .description('name a point to wait on, ahead of the wait, and print its token')
    .option('--expires <when>', 'from then on it takes no more signals: 90d, 12h, 30m, or an ISO time')
    .action((execution: string, name: string, flags: ClientFlags & { expires?: string }) =>
      withConnection(terminal, flags, async ({ links, namespace }) => {
        const executionId = parseExecutionIdUrl(execution)
        const answer = await links.waitpoints?.open({
          namespace,
          executionId,
          waitpointId: deriveWaitpointId(executionId, name),
          name,
          ...(flags.expires === undefined ? {} : { expiresAtMs: readTime(flags.expires) }),
        })
        if (answer === undefined || !('waitpoint' in answer)) {
          throw new CommandError(`Not done: ${answer?.outcome}`, exitCodes.refused)
        }
        if (flags.json) return terminal.out(formatJson(answer))
        terminal.out(`${answer.outcome} ${answer.waitpoint.id}`)
        terminal.out(answer.token ?? 'No key signs, so that it has no token')
      }),
    )
  withClientOptions(waitpoints.command('token <waitpoint>'))
    .description('print a token, to hand out to the one whose signals it is to bring')
    .option('--source <who>', 'who its signals are from; default: nobody in particular')
    .action((waitpoint: string, flags: ClientFlags & { source?: string }) =>
      withConnection(terminal, flags, async ({ links, namespace }) => {
        const answer = await links.waitpoints?.mint({
          namespace,
          waitpointId: parseWaitpointId(waitpoint),
          source: flags.source,
        })
        terminal.out(flags.json ? formatJson(answer) : String(answer?.token))
      }),
    )
  withClientOptions(waitpoints.command('close <waitpoint>').description('take no more signals')).action(
    (waitpoint: string, flags: ClientFlags) =>
      withConnection(terminal, flags, async ({ backend, namespace }) => {
        const waitpointId = parseWaitpointId(waitpoint)
        const answer = await backend.suspensions.closeWaitpoint({ namespace, waitpointId })
        terminal.out(flags.json ? formatJson(answer) : `${answer.previous} → closed`)
      }),
  )
  withSignalOptions(
    waitpoints
      .command('signal <waitpoint> <name>')
      .description('send a signal as the bearer of the token in FF_WAITPOINT_TOKEN'),
  ).action((waitpoint: string, name: string, flags: SignalFlags) =>
    signalByToken(terminal, waitpoint, name, flags),
  )
}

function withSignalOptions(command: Command): Command {
  return withClientOptions(command)
    .option('--payload <json>', 'what it carries, as JSON')
    .option('--key <key>', 'idempotency key: a repeat under it is the same signal')
}

/** Needs no other credentials, and sends none. The token comes from the environment: command lines are seen by others. */
async function signalByToken(
  terminal: Terminal,
  waitpoint: string,
  name: string,
  flags: SignalFlags,
): Promise<void> {
  const token = terminal.env.FF_WAITPOINT_TOKEN
  if (token === undefined) throw new CommandError('No token of a waitpoint: give FF_WAITPOINT_TOKEN')
  const { links, close } = openConnection<ServerBackend>({ url: addressOf(terminal, flags) })
  try {
    const answer = await links.waitpoints?.deliver({
      ...describeSignal(parseWaitpointId(waitpoint), name, flags),
      token,
    })
    if (answer !== undefined) report(terminal, flags, answer)
  } finally {
    close()
  }
}

function describeSignal(waitpointId: WaitpointId, name: string, { payload, key }: SignalFlags) {
  const signalId = mintSignalId(partitionIndexOf(waitpointId))
  return {
    waitpointId,
    signalId,
    name,
    payload: payload === undefined ? null : new TextEncoder().encode(normaliseJson(payload)),
    idempotencyKey: key ?? signalId,
  }
}

function normaliseJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    throw new CommandError('--payload is no JSON')
  }
}

const REFUSALS: ReadonlySet<string> = new Set(['not_matched', 'waitpoint_closed', 'too_many_signals'])

function report(terminal: Terminal, flags: ClientFlags, answer: { readonly outcome: string }): void {
  terminal.out(flags.json ? formatJson(answer) : answer.outcome)
  if (REFUSALS.has(answer.outcome)) throw new CommandError(`Not done: ${answer.outcome}`, exitCodes.refused)
}
