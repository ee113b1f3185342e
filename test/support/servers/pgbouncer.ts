import type { ChildProcess } from 'node:child_process'
import { chmod, chown, cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { inUserNamespace, nobody } from './postgres-user.js'
import { freePort } from './processes.js'
import { dieWithParent, spawnLogged, succeeds, tail, untilAnswering, untilEnded } from './server-process.js'
import { findUnpackedOrUnpack, runs, type ServerBinary } from './unpacked-binary.js'

/** A transaction pooler in front of a PostgreSQL: a client has a connection of the server's for one transaction at a time. */
export interface PgBouncer {
  readonly port: number
  stop(): Promise<void>
}

/** The same database, through a pooler. */
export function urlThrough(port: number, url: string): string {
  const through = new URL(url)
  through.host = `127.0.0.1:${port}`
  return through.href
}

const installLine =
  'set PGBOUNCER to a pgbouncer, or install one: `apt-get install pgbouncer`, `brew install pgbouncer`'
const startWithinMs = 30_000
const stopWithinMs = 10_000
/** Fewer than the clients of a test file, so that they do get each other's connections. */
const serverConnections = 6

/** In front of the server at that address. */
export async function startPgBouncer(serverUrl: string): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-pgbouncer-'))
  try {
    const launcher = await chooseLauncher(await findPgBouncer(), folder)
    const { child, port } = await launch(launcher, folder, new URL(serverUrl))
    return {
      port,
      async stop() {
        child.kill('SIGTERM')
        if (!(await untilEnded(child, stopWithinMs))) child.kill('SIGKILL')
        await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
      },
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** `PGBOUNCER`, else the system's, else what was unpacked before, else Debian's or Ubuntu's packages. */
async function findPgBouncer(): Promise<ServerBinary> {
  const named = process.env.PGBOUNCER
  if (named) {
    const binary = { server: named, env: {} }
    if (await runs(binary)) return binary
    throw new Error(`PGBOUNCER is ${named}, which cannot be run: ${installLine}`)
  }
  const installed = { server: 'pgbouncer', env: {} }
  if (await runs(installed)) return installed
  return findUnpackedOrUnpack({ packageName: 'pgbouncer', path: 'usr/sbin/pgbouncer', installLine })
}

interface Launcher {
  command: string[]
  env: NodeJS.ProcessEnv
  identity: { uid?: number; gid?: number }
}

/** It refuses root as PostgreSQL does, and is shown someone else in the same ways. */
async function chooseLauncher({ server, env: own }: ServerBinary, folder: string): Promise<Launcher> {
  const watched = await dieWithParent('KILL')
  const env = { ...process.env, ...own }
  const plain: Launcher = { command: [...watched, server], env, identity: {} }
  if (process.getuid?.() !== 0) return plain
  const namespaced = { ...plain, command: [...inUserNamespace, ...watched, server] }
  if (await succeeds([...namespaced.command, '--version'], { env })) return namespaced
  await chown(folder, nobody.uid, nobody.gid)
  const other = { ...plain, identity: nobody }
  if (await succeeds([...other.command, '--version'], { env, ...nobody })) return other
  // The checkout may lie where nobody can look.
  const copy = join(folder, 'pgbouncer')
  const libraries = join(folder, 'lib')
  await cp(server, copy)
  await chmod(copy, 0o755)
  for (const path of own.LD_LIBRARY_PATH?.split(':') ?? []) {
    await cp(path, libraries, { recursive: true, verbatimSymlinks: true })
  }
  return { command: [...watched, copy], env: { ...env, LD_LIBRARY_PATH: libraries }, identity: nobody }
}

async function launch(
  { command, env, identity }: Launcher,
  folder: string,
  server: URL,
): Promise<{ child: ChildProcess; port: number }> {
  const log = join(folder, 'pgbouncer.log')
  const config = join(folder, 'pgbouncer.ini')
  for (let triesLeft = 4; ; triesLeft -= 1) {
    const port = await freePort()
    await writeFile(config, describeConfig(server, port))
    await chmod(folder, 0o755)
    const child = spawnLogged([...command, config], { cwd: folder, log, env, ...identity })
    const failure = await untilAnswering(child, () => answers(server, port), startWithinMs)
    if (failure === undefined) return { child, port }
    const said = await tail(log)
    if (triesLeft === 0 || !/in use/.test(said))
      throw new Error(`pgbouncer did not start (${failure}): ${said}`)
    await delay(100)
  }
}

function describeConfig(server: URL, port: number): string {
  return `[databases]
* = host=${server.hostname} port=${server.port} user=${server.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 500
`
}

async function answers(server: URL, port: number): Promise<boolean> {
  const client = new pg.Client({
    connectionString: urlThrough(port, server.href),
    connectionTimeoutMillis: 5_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}
