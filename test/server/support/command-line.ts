import { runCommandLine } from '@flowfabric/server'
import { until } from '../../support/until.js'

export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** A command that runs until it ends by itself or is stopped, as by Ctrl-C. */
export interface RunningCommand {
  readonly lines: readonly string[]
  readonly errors: readonly string[]
  readonly ended: Promise<number>
  stop(): void
}

type Settings = Readonly<Record<string, string>>

/** Begins a command in a folder, with those settings and no others. */
export function beginCommand(cwd: string, args: readonly string[], env: Settings = {}): RunningCommand {
  const asked = new AbortController()
  const lines: string[] = []
  const errors: string[] = []
  const ended = runCommandLine(args, {
    env,
    cwd,
    out: (line) => lines.push(line),
    err: (line) => errors.push(line),
    signal: asked.signal,
  })
  return { lines, errors, ended, stop: () => asked.abort() }
}

export async function runCommand(cwd: string, args: readonly string[], env: Settings = {}): Promise<Ran> {
  const { lines, errors, ended } = beginCommand(cwd, args, env)
  const code = await ended
  return { code, out: lines.join('\n'), err: errors.join('\n') }
}

export interface RunningDev extends RunningCommand {
  readonly url: string
}

/** `flowfabric dev` in a folder, on any port. */
export async function startDev(cwd: string, env: Settings): Promise<RunningDev> {
  const started = beginCommand(cwd, ['dev', '--port', '0'], env)
  await Promise.race([
    until('dev has said where it is', () => started.lines.length > 0, 60_000),
    started.ended.then((code) => {
      throw new Error(`dev ended with ${code}: ${started.errors.join('\n')}`)
    }),
  ])
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(started.lines.join('\n'))?.[0]
  if (url === undefined) throw new Error(`dev names no address: ${started.lines.join('\n')}`)
  return { ...started, url }
}
