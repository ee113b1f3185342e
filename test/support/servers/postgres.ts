import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { findPostgres } from './postgres-binaries.js'
import { chooseLauncher, type Launcher } from './postgres-user.js'
import { freePort, signal } from './processes.js'
import { killWithChildren, spawnLogged, tail, untilAnswering, untilEnded } from './server-process.js'

export type PostgresMajor = 15 | 18

export interface PostgresOptions {
  major: PostgresMajor
  /**
   * True: a commit is on the disk before it is acknowledged, as in production.
   * False: much faster; a commit survives SIGKILL of the server, but not a power cut.
   */
  durable: boolean
  /** More server settings, over ours. */
  settings?: Record<string, string | number>
}

/** A private server: its own folder and port. TCP on 127.0.0.1 only, trust authentication. */
export interface PostgresServer {
  readonly major: PostgresMajor
  readonly port: number
  /** The database `postgres`, as superuser. */
  readonly url: string
  /** Changes with every restart. */
  readonly pid: number
  urlOf(database: string): string
  /** Answers the new database's address. */
  createDatabase(name: string, options?: { template?: string }): Promise<string>
  /** Cuts the connections that are still open. */
  dropDatabase(name: string): Promise<void>
  /** SIGKILL to the server and all its backends at once. */
  kill(): Promise<void>
  /** Starts on the same folder and port; a running server is stopped first, cutting its connections. */
  restart(): Promise<void>
  /** Stops the server and removes its folder. */
  stop(): Promise<void>
}

const startWithinMs = 30_000
const stopWithinMs = 10_000

export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const binaries = await findPostgres(options.major)
  const base = await mkdtemp(join(tmpdir(), `flowfabric-postgres${options.major}-`))
  try {
    const launcher = await chooseLauncher(binaries, base)
    const folder: ServerFolder = { launcher, base, data: join(base, 'data'), log: join(base, 'server.log') }
    await initialize(folder)
    return new RunningPostgres(options, folder, await launch(folder, options))
  } catch (error) {
    await rm(base, { recursive: true, force: true })
    throw error
  }
}

interface ServerFolder {
  launcher: Launcher
  base: string
  data: string
  log: string
}

interface Launched {
  child: ChildProcess
  pid: number
  port: number
}

class RunningPostgres implements PostgresServer {
  readonly major: PostgresMajor
  readonly port: number
  readonly #options: PostgresOptions
  readonly #folder: ServerFolder
  #launched: Launched

  constructor(options: PostgresOptions, folder: ServerFolder, launched: Launched) {
    this.major = options.major
    this.port = launched.port
    this.#options = options
    this.#folder = folder
    this.#launched = launched
  }

  get pid(): number {
    return this.#launched.pid
  }

  get url(): string {
    return this.urlOf('postgres')
  }

  urlOf(database: string): string {
    return urlOf(this.port, database)
  }

  async createDatabase(name: string, { template = 'template1' } = {}): Promise<string> {
    await query(
      this.url,
      `create database ${pg.escapeIdentifier(name)} template ${pg.escapeIdentifier(template)}`,
    )
    return this.urlOf(name)
  }

  async dropDatabase(name: string): Promise<void> {
    await query(this.url, `drop database if exists ${pg.escapeIdentifier(name)} with (force)`)
  }

  async kill(): Promise<void> {
    // The backends too: one that outlives its postmaster keeps the shared memory, and the next start is
    // refused.
    await killWithChildren(this.#launched.child)
  }

  async restart(): Promise<void> {
    await this.#shutDown()
    this.#launched = await launch(this.#folder, this.#options, this.port)
  }

  async stop(): Promise<void> {
    await this.#shutDown()
    await rm(this.#folder.base, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }

  async #shutDown(): Promise<void> {
    signal(this.pid, 'SIGINT')
    if (!(await untilEnded(this.#launched.child, stopWithinMs))) await this.kill()
  }
}

async function initialize({ launcher, data, log, base }: ServerFolder): Promise<void> {
  const args = ['-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C', '-D', data]
  const child = program(launcher, 'initdb', args, { base, log })
  const [code] = await new Promise<[number | null]>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (exit) => resolve([exit]))
  })
  if (code !== 0) throw new Error(`initdb failed (${code}): ${await tail(log)}`)
}

async function launch(folder: ServerFolder, options: PostgresOptions, fixedPort?: number): Promise<Launched> {
  for (let triesLeft = 4; ; triesLeft -= 1) {
    const port = fixedPort ?? (await freePort())
    const settings = { ...settingsOf(options, port), ...options.settings }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const child = program(folder.launcher, 'postgres', ['-D', folder.data, ...flags], folder)
    const isAnswering = () =>
      query(urlOf(port, 'postgres'), 'select 1').then(
        () => true,
        () => false,
      )
    const failure = await untilAnswering(child, isAnswering, startWithinMs)
    // The wrappers replace themselves by the server, so the child's pid is the server's.
    if (failure === undefined && child.pid !== undefined) return { child, pid: child.pid, port }
    const log = await tail(folder.log)
    // Between our look and the server's bind, someone else may have taken the port.
    if (triesLeft === 0 || !/could not bind|in use/.test(log)) {
      throw new Error(`PostgreSQL ${options.major} did not start (${failure}): ${log}`)
    }
    await delay(100)
  }
}

function settingsOf({ durable }: PostgresOptions, port: number): Record<string, string | number> {
  return {
    port,
    listen_addresses: '127.0.0.1',
    // No socket file: its path has a length limit, and TCP is what a user's service speaks.
    unix_socket_directories: '',
    max_connections: 300,
    shared_buffers: '64MB',
    max_wal_size: '256MB',
    jit: 'off',
    wal_level: 'replica',
    synchronous_commit: 'on',
    fsync: durable ? 'on' : 'off',
    full_page_writes: durable ? 'on' : 'off',
  }
}

function program(
  { bin, prefix, identity }: Launcher,
  name: string,
  args: string[],
  { base, log }: { base: string; log: string },
): ChildProcess {
  return spawnLogged([...prefix, join(bin, name), ...args], { ...identity, cwd: base, log })
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // A server that ends while we are connected reports it here too; the caller sees the query fail.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(text)
  } finally {
    await client.end().catch(() => {})
  }
}

const urlOf = (port: number, database: string) => `postgres://postgres@127.0.0.1:${port}/${database}`
