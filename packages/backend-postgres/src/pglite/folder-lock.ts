import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rmdir, stat, unlink, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { engineError } from '@flowfabric/core'

/**
 * Keeps a folder to one process. PGlite has no lock of its own, and two processes on one folder lose acknowledged writes
 * without a word. The lock is a file that names its holder and a loopback port at which the holder answers; a file whose
 * holder doesn't answer any more is taken over.
 */
export interface FolderLock {
  /** What a refused process is told: where this one can be reached. */
  announce(url: string): void
  release(): Promise<void>
}

interface Holder {
  readonly id: string
  readonly pid: number
  readonly port: number
  readonly url?: string | undefined
}

const ANSWER_MS = 1_000
/** A takeover is a few system calls long; a guard older than this was left by a crash. */
const GUARD_MS = 10_000

/** Throws `store_in_use` with the holder's pid and, if it told one, its address. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true })
  const file = path.join(folder, 'lock.json')
  const own = { id: randomUUID(), pid: process.pid, url: undefined as string | undefined }
  const server = await answerAt(own)
  const content = JSON.stringify({ id: own.id, pid: own.pid, port: (server.address() as AddressInfo).port })
  try {
    await take(file, own.id, content, folder)
  } catch (fault) {
    server.close()
    throw fault
  }
  return {
    announce(url) {
      own.url = url
    },
    async release() {
      // Only our own: whoever took over meanwhile keeps what is his.
      if ((await readHolder(file))?.id === own.id) await unlink(file).catch(() => {})
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
}

/** The port is open before the file names it, so a file without an answer means a holder that is gone. */
async function answerAt(own: {
  readonly id: string
  readonly pid: number
  url: string | undefined
}): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(JSON.stringify(own))
  })
  server.unref()
  await new Promise<void>((done, fail) => {
    server.once('error', fail)
    server.listen(0, '127.0.0.1', done)
  })
  return server
}

async function take(file: string, id: string, content: string, folder: string): Promise<void> {
  // Linked in one step with its content: nobody ever reads half a lock.
  const draft = `${file}.${id}`
  await writeFile(draft, content)
  try {
    for (;;) {
      if (await linked(draft, file)) return
      const holder = await readHolder(file)
      if (holder === undefined) continue
      const living = await askHolder(holder)
      if (living !== undefined) {
        throw engineError(
          'store_in_use',
          `Process ${living.pid} has ${folder} open${living.url === undefined ? '' : `, at ${living.url}`}`,
          { pid: living.pid, ...(living.url === undefined ? {} : { url: living.url }) },
        )
      }
      await removeStale(file, holder)
    }
  } finally {
    await unlink(draft).catch(() => {})
  }
}

/** Two that find the same dead lock must not remove each other's new one: they look again, one after the other. */
async function removeStale(file: string, dead: Holder): Promise<void> {
  const guard = `${file}.takeover`
  try {
    await mkdir(guard)
  } catch {
    const age = await stat(guard).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    )
    if (age > GUARD_MS) await rmdir(guard).catch(() => {})
    await pause(20)
    return
  }
  try {
    if ((await readHolder(file))?.id === dead.id) await unlink(file)
  } finally {
    await rmdir(guard)
  }
}

async function linked(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file)
    return true
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw fault
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    // Not written by us, or cut off by a full disk: nobody answers for it.
    return { id: 'unreadable', pid: 0, port: 0 }
  }
}

/** What the holder says of itself; nothing when it is gone, or when something else has its port now. */
async function askHolder(holder: Holder): Promise<Holder | undefined> {
  if (holder.port === 0) return undefined
  const answer = await new Promise<string | 'refused' | 'silent'>((done) => {
    const socket = connect(holder.port, '127.0.0.1')
    let text = ''
    socket.setTimeout(ANSWER_MS, () => {
      socket.destroy()
      done('silent')
    })
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8')
    })
    socket.on('end', () => done(text))
    socket.on('error', () => done('refused'))
  })
  // A frozen process answers nothing, but holds the folder all the same.
  if (answer === 'silent') return isAlive(holder.pid) ? holder : undefined
  if (answer === 'refused') return undefined
  try {
    const said = JSON.parse(answer) as Holder
    return said.id === holder.id ? said : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (fault) {
    return (fault as NodeJS.ErrnoException).code === 'EPERM'
  }
}
