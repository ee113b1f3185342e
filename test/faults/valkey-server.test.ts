import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { isAlive } from '../support/servers/processes.js'
import { startValkey } from '../support/servers/valkey.js'
import { withClient } from '../support/servers/valkey-client.js'

describe('the Valkey server of the tests', () => {
  it('answers, and leaves nothing behind', async () => {
    const server = await startValkey({ settings: { 'hash-max-listpack-value': 321 } })
    const { pid, folder, port } = server
    await withClient(port, async (client) => {
      expect(await client.config('GET', 'appendonly')).toEqual(['appendonly', 'yes'])
      expect(await client.config('GET', 'appendfsync')).toEqual(['appendfsync', 'everysec'])
      expect(await client.config('GET', 'save')).toEqual(['save', ''])
      expect(await client.config('GET', 'hash-max-listpack-value')).toEqual([
        'hash-max-listpack-value',
        '321',
      ])
      expect(await client.select(4_095)).toBe('OK')
    })
    expect(existsSync(folder)).toBe(true)
    await server.stop()
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(folder)).toBe(false)
  })

  it('may have a password, which whoever connects must know', async () => {
    const server = await startValkey({ settings: { requirepass: 'secret' } })
    onTestFinished(() => server.stop())
    const { port } = server
    await expect(withClient(port, (client) => client.ping())).rejects.toThrow(/NOAUTH/)
    expect(await withClient(port, (client) => client.ping(), { password: 'secret' })).toBe('PONG')
  })

  it('says what the server said when it cannot be started, and leaves nothing behind', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'flowfabric-refused-'))
    onTestFinished(() => rm(temporary, { recursive: true }))
    vi.stubEnv('TMPDIR', temporary)
    onTestFinished(() => void vi.unstubAllEnvs())
    const start = startValkey({ settings: { 'no-such-setting': 1 } })
    await expect(start).rejects.toThrow(/ended with 1(.|\n)*no-such-setting/)
    expect(await readdir(temporary)).toEqual([])
  })

  it('keeps what it acknowledged when it is killed while writing and started again', async () => {
    const server = await startValkey({ durable: true })
    onTestFinished(() => server.stop())
    const { pid, port } = server
    let acknowledged = 0
    const writing = withClient(port, async (client) => {
      for (;;) acknowledged = await client.incr('count')
    })
    const cut = expect(writing).rejects.toThrow()
    await expect.poll(() => acknowledged).toBeGreaterThan(100)
    await server.kill()
    await cut
    expect(isAlive(pid)).toBe(false)
    await server.restart()
    expect(server.pid).not.toBe(pid)
    const count = async () => Number(await withClient(port, (client) => client.get('count')))
    const kept = await count()
    // One more may have been written whose answer was cut off.
    expect([acknowledged, acknowledged + 1]).toContain(kept)
    await server.restart()
    expect(await count()).toBe(kept)
  })

  it('can be frozen and thawed', async () => {
    const server = await startValkey()
    onTestFinished(() => server.stop())
    await server.kill('SIGSTOP')
    const asked = withClient(server.port, (client) => client.ping(), { answerWithinMs: 200 })
    await expect(asked).rejects.toThrow(/timed out/)
    await server.kill('SIGCONT')
    expect(await withClient(server.port, (client) => client.ping())).toBe('PONG')
  })
})
