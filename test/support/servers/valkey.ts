import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findValkey } from './valkey-binaries.js'
import { commonSettings, ValkeyProcess, type ValkeySettings } from './valkey-process.js'

export interface ValkeyOptions {
  /**
   * True: a write is on the disk before it is acknowledged.
   * False: much faster, and what most installations run, once a second; what was written while the disk
   * was busy may not even survive SIGKILL of the server.
   */
  durable?: boolean
  /** More server settings, over ours. */
  settings?: ValkeySettings
}

/** A private server: its own folder and port. TCP on 127.0.0.1 only, no password. */
export interface ValkeyServer {
  readonly port: number
  /** Database 0. */
  readonly url: string
  /** Changes with every restart. */
  readonly pid: number
  readonly folder: string
  /** SIGKILL where no signal is named. Resolves when it has ended; SIGSTOP and SIGCONT freeze and thaw it. */
  kill(name?: NodeJS.Signals): Promise<void>
  /** Starts on the same folder and port; a running server is ended in order first. */
  restart(): Promise<void>
  /** Ends the server and removes its folder. */
  stop(): Promise<void>
}

/** Enough for each store of a run to have its own. Together they cost 4 MB. */
export const databaseCount = 4_096

export async function startValkey({
  durable = false,
  settings = {},
}: ValkeyOptions = {}): Promise<ValkeyServer> {
  const binary = await findValkey()
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-valkey-'))
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  const server = await ValkeyProcess.start({
    binary,
    folder,
    settings: (ports) => ({
      ...commonSettings(ports, folder, durable),
      databases: databaseCount,
      ...settings,
    }),
  }).catch(async (error: unknown) => {
    await remove()
    throw error
  })
  const { port } = server.ports
  return {
    port,
    url: `valkey://127.0.0.1:${port}`,
    folder,
    get pid() {
      return server.pid
    },
    kill: (name = 'SIGKILL') => server.kill(name),
    restart: () => server.restart(),
    stop: async () => {
      // What it would still write in order goes with its folder.
      await server.kill('SIGKILL')
      await remove()
    },
  }
}
