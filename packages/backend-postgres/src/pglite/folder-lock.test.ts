import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isEngineError } from '@flowfabric/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockFolder } from './folder-lock.js'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'ff-lock-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function refusal(): Promise<unknown> {
  try {
    await (await lockFolder(folder)).release()
    return 'taken'
  } catch (error) {
    return isEngineError(error, 'store_in_use') ? error.details : error
  }
}

describe('a folder', () => {
  it('is kept to one holder, which says where it can be reached', async () => {
    const lock = await lockFolder(folder)
    expect(await refusal()).toEqual({ pid: process.pid })
    lock.announce('http://127.0.0.1:7400')
    expect(await refusal()).toEqual({ pid: process.pid, url: 'http://127.0.0.1:7400' })
    await lock.release()
    expect(await refusal()).toBe('taken')
    expect(await readdir(folder)).toEqual([])
  })

  it('is taken over from a holder that was killed', async () => {
    // Answers nothing and is dead: the port that it names is closed.
    await writeFile(path.join(folder, 'lock.json'), JSON.stringify({ id: 'gone', pid: 2 ** 22 - 1, port: 1 }))
    expect(await refusal()).toBe('taken')
  })

  it('is taken over when the lock file is unreadable', async () => {
    await writeFile(path.join(folder, 'lock.json'), '{"id":')
    expect(await refusal()).toBe('taken')
  })

  it('stays with a holder that is frozen', async () => {
    const script = `
      import { createServer } from 'node:net'
      const server = createServer(() => {})
      server.listen(0, '127.0.0.1', () => console.log(server.address().port))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const [port] = await once(child.stdout, 'data')
      child.kill('SIGSTOP')
      await writeFile(
        path.join(folder, 'lock.json'),
        JSON.stringify({ id: 'x', pid: child.pid, port: Number(port) }),
      )
      expect(await refusal()).toEqual({ pid: child.pid })
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('goes to exactly one of many that find a dead lock at the same time', async () => {
    await writeFile(path.join(folder, 'lock.json'), JSON.stringify({ id: 'gone', pid: 1, port: 1 }))
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)))
    const taken = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    expect(taken).toHaveLength(1)
    expect(JSON.parse(await readFile(path.join(folder, 'lock.json'), 'utf8')).pid).toBe(process.pid)
    await taken[0]?.release()
    expect(await readdir(folder)).toEqual([])
  })
})
