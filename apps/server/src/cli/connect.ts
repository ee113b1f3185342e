import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Administration, type Connection, openConnection, type ServerBackend } from '@flowfabric/sdk'
import type { Command } from 'commander'
import { defaultHost, defaultPort } from '../start-server.js'
import type { Terminal } from './terminal.js'
import { CommandError } from './terminal.js'

export interface ClientFlags {
  readonly url?: string
  readonly token?: string
  readonly namespace?: string
  readonly json?: boolean
}

/** The options of every command that talks to a server. */
export function withClientOptions(command: Command): Command {
  return command
    .enablePositionalOptions()
    .option('--url <url>', 'address of the server (FF_URL; default: this machine)')
    .option('--token <token>', 'token (FF_TOKEN; default: what `flowfabric dev` keeps in ./.flowfabric)')
    .option('--namespace <name>', 'namespace (FF_NAMESPACE; default: default)')
    .option('--json', 'JSON for programs instead of a table')
}

/** Opens nothing yet: the first call does. */
export function connect(terminal: Terminal, flags: ClientFlags): Connection<ServerBackend> {
  const { env } = terminal
  const token = flags.token ?? env.FF_TOKEN ?? readDevToken(terminal)
  if (token === undefined) {
    throw new CommandError(
      'No token: give --token or FF_TOKEN, or run this where `flowfabric dev` keeps its folder',
    )
  }
  const url = addressOf(terminal, flags)
  return openConnection<ServerBackend>({ url, token, namespace: flags.namespace ?? env.FF_NAMESPACE })
}

export function addressOf({ env }: Terminal, { url }: ClientFlags): string {
  return url ?? env.FF_URL ?? `http://${defaultHost}:${defaultPort}`
}

/** Runs something with a connection, and closes that in the end. */
export async function withConnection<Result>(
  terminal: Terminal,
  flags: ClientFlags,
  run: (connection: Connection<ServerBackend>) => Promise<Result>,
): Promise<Result> {
  const connection = connect(terminal, flags)
  try {
    return await run(connection)
  } finally {
    connection.close()
  }
}

export const devFolder = '.flowfabric'
export const devTokenFile = 'token'

function readDevToken({ cwd }: Terminal): string | undefined {
  try {
    return readFileSync(join(cwd, devFolder, devTokenFile), 'utf8').trim()
  } catch {
    return undefined
  }
}

/** As `withConnection`, with what a server offers to administrators. */
export async function withAdministration<Result>(
  terminal: Terminal,
  flags: ClientFlags,
  run: (admin: Administration) => Promise<Result>,
): Promise<Result> {
  return withConnection(terminal, flags, async ({ admin }) => {
    if (admin === undefined) throw new CommandError('This needs a server')
    return run(admin)
  })
}
