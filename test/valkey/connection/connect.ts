import { onTestFinished } from 'vitest'
import type { Command } from '../../../packages/backend-valkey/src/connection/command.js'
import {
  type Connection,
  type ConnectionHooks,
  openConnection,
} from '../../../packages/backend-valkey/src/connection/open.js'
import type { ConnectionOptions } from '../../../packages/backend-valkey/src/connection/options.js'
import { startValkey, type ValkeyOptions, type ValkeyServer } from '../../support/servers/valkey.js'

export type { Command, Connection, ConnectionOptions }
export { openConnection }

export const again = { idempotent: true }
export const once = { idempotent: false }

/** Closed when the test is over. */
export async function connect(options: ConnectionOptions, hooks?: ConnectionHooks): Promise<Connection> {
  const connection = await openConnection(options, hooks)
  onTestFinished(() => connection.close())
  return connection
}

/** A server of the test's own, stopped when it is over. */
export async function startOwnValkey(options?: ValkeyOptions): Promise<ValkeyServer> {
  const server = await startValkey(options)
  onTestFinished(() => server.stop())
  return server
}

/** Sends a command about one key to where the key is. */
export function callOnKey(
  connection: Connection,
  [name, key, ...rest]: readonly [string, string, ...(string | Uint8Array | number)[]],
  options = again,
) {
  return connection.call(connection.slotOf(key), [name, key, ...rest], options)
}

/** What the server has counted since it started, by the name of the line in `INFO`. */
export async function readCount(connection: Connection, section: string, name: string): Promise<number> {
  const info = String(await connection.call(0, ['INFO', section], again))
  return Number(new RegExp(`^${name}:(?:calls=)?(\\d+)`, 'm').exec(info)?.[1] ?? 0)
}
