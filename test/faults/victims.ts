import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inheritedEnv } from '../support/inherited-env.js'
import { until } from '../support/until.js'

/** A process that is killed again and again, and comes back as a new one. */
export interface Victim {
  readonly name: string
  readonly kills: number
  /** Answers when it is gone and its successor was started. */
  killAndReplace(): Promise<void>
  end(): Promise<void>
}

const root = fileURLToPath(new URL('../..', import.meta.url))

export function startVictim(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Victim {
  let kills = 0
  let isEnding = false
  let child = launch()

  function launch(): ChildProcess {
    const started = spawn(process.execPath, args, {
      cwd: root,
      env: { ...inheritedEnv, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    started.on('exit', () => {
      // It may also end by itself, when what it depends on was killed under it; a supervisor would start it again.
      if (!isEnding && started === child) child = launch()
    })
    return started
  }

  return {
    name,
    get kills() {
      return kills
    },
    async killAndReplace() {
      const victim = child
      if (victim.exitCode !== null || victim.signalCode !== null) return
      const gone = once(victim, 'exit')
      victim.kill('SIGKILL')
      await gone
      kills += 1
    },
    async end() {
      isEnding = true
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

/** Waits until a server answers that it can serve. */
export async function isReady(url: string): Promise<void> {
  const answers = async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200
  await until(`${url} is ready`, answers, 60_000)
}
