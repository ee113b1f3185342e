import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { childrenOf, isRunning, signal } from './processes.js'

const run = promisify(execFile)

const killedWithinMs = 10_000

/** Whether a program can be run to a good end: asked before it is relied on. */
export function succeeds(
  [command = '', ...args]: string[],
  options: { uid?: number; gid?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<boolean> {
  return run(command, args, { ...options, cwd: '/' }).then(
    () => true,
    () => false,
  )
}

/** Put before a command, it has the kernel send that signal when we end, even by SIGKILL. Linux only. */
export async function dieWithParent(name: 'INT' | 'KILL'): Promise<string[]> {
  const prefix = ['setpriv', '--pdeathsig', name, '--']
  return (await succeeds([...prefix, 'true'])) ? prefix : []
}

/** Starts a program that writes its log to a file. */
export function spawnLogged(
  [command = '', ...args]: string[],
  { log, ...options }: { cwd: string; log: string; uid?: number; gid?: number; env?: NodeJS.ProcessEnv },
): ChildProcess {
  // A file, not a pipe: a server must not stop because nobody reads its log.
  const output = openSync(log, 'a')
  try {
    return spawn(command, args, { ...options, stdio: ['ignore', output, output] })
  } finally {
    closeSync(output)
  }
}

/** Undefined once the server answers, else why there is none; one that never answers is killed. */
export async function untilAnswering(
  child: ChildProcess,
  isAnswering: () => Promise<boolean>,
  withinMs: number,
): Promise<string | undefined> {
  let failure: string | undefined
  child.once('error', (error) => {
    failure = error.message
  })
  child.once('exit', (code, name) => {
    failure ??= `ended with ${code ?? name}`
  })
  const deadline = Date.now() + withinMs
  while (failure === undefined) {
    if (Date.now() > deadline) {
      child.kill('SIGKILL')
      return `no answer within ${withinMs} ms`
    }
    if (await isAnswering()) return undefined
    await delay(20)
  }
  return failure
}

/** False if it still runs after that time. */
export async function untilEnded(child: ChildProcess, withinMs: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return true
  const timer = new AbortController()
  return Promise.race([
    new Promise<boolean>((resolve) => child.once('exit', () => resolve(true))),
    delay(withinMs, false, { signal: timer.signal }).catch(() => false),
  ]).finally(() => timer.abort())
}

/** SIGKILL to a server and to all processes that it has started, at once. */
export async function killWithChildren(child: ChildProcess): Promise<void> {
  const { pid } = child
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  // Stopped, it cannot start another that the list would miss.
  signal(pid, 'SIGSTOP')
  const children = await childrenOf(pid)
  for (const each of [...children, pid]) signal(each, 'SIGKILL')
  await untilEnded(child, killedWithinMs)
  for (const each of children) while (await isRunning(each)) await delay(5)
}

/** The end of a server's log, for the message of an error. */
export async function tail(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.slice(-2_000).trim()
}
