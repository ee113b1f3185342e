import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Below what Linux and macOS hand out for outgoing connections: a client that connects again and again
 * while its server is down would otherwise be given the server's port one day, and the server could not
 * come back on it.
 */
const ports = { from: 15_000, to: 32_000 }

/** A TCP port of 127.0.0.1 that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(ports.from, ports.to)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

/** Pids of the direct children, from /proc where there is one and from `ps` elsewhere. */
export async function childrenOf(parent: number): Promise<number[]> {
  const rows = process.platform === 'linux' ? await parentsFromProc() : await parentsFromPs()
  return rows.filter(([, ppid]) => ppid === parent).map(([pid]) => pid)
}

async function parentsFromProc(): Promise<[pid: number, ppid: number][]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return Promise.all(
    pids.map(async (pid): Promise<[number, number]> => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      // The second field is the command in brackets and may hold spaces; the fourth is the parent.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return [Number(pid), Number(fields[1])]
    }),
  )
}

async function parentsFromPs(): Promise<[pid: number, ppid: number][]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid='])
  return stdout
    .trim()
    .split('\n')
    .map((line): [number, number] => {
      const [pid, ppid] = line.trim().split(/\s+/)
      return [Number(pid), Number(ppid)]
    })
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** False also for one that has ended and waits for its parent to take note. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return isAlive(pid) && stat.at(stat.lastIndexOf(')') + 2) !== 'Z'
}

/** Signals a process that may have gone already. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
