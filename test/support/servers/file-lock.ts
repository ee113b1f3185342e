import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * One process at a time, by the kernel's lock on that file. `flock` holds it for us: the lock ends with its
 * process, and that ends with ours, so that no SIGKILL leaves a lock behind. Every Debian and Ubuntu has it.
 */
export async function withFileLock<Answer>(path: string, work: () => Promise<Answer>): Promise<Answer> {
  const holder = spawn('flock', [path, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(holder, 'close')
  const held = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)])
  if (!held) throw new Error(`flock could not lock ${path}: exit code ${holder.exitCode}`)
  try {
    return await work()
  } finally {
    holder.stdin.end()
    await ended
  }
}
