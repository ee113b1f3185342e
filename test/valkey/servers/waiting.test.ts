import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { beginCommand, runCommand } from '../../server/support/command-line.js'
import { until } from '../../support/until.js'
import { startOwnValkey } from '../connection/connect.js'

const token = 'a-token-of-some-length'

/** `flowfabric serve` that answers a submission once that has it; and what a submission is answered. */
async function submitTo(valkeyUrl: string, waitFor: string) {
  const cwd = await mkdtemp(join(tmpdir(), 'flowfabric-waiting-'))
  const server = beginCommand(cwd, ['serve', '--port', '0'], {
    FF_BACKEND: 'valkey',
    FF_VALKEY_URL: valkeyUrl,
    FF_VALKEY_WAIT_FOR: waitFor,
    FF_VALKEY_WAIT_TIMEOUT_MS: '300',
    FF_TOKEN: token,
    FF_LOG_LEVEL: 'silent',
  })
  onTestFinished(async () => {
    server.stop()
    await server.ended
    await rm(cwd, { recursive: true, force: true })
  })
  await until('it says where it is', () => server.lines.length > 0, 20_000)
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(server.lines.join('\n'))?.[0]
  return runCommand(cwd, ['submit', 'hello', '--url', url ?? '', '--token', token], {})
}

describe('a server that waits for', () => {
  it('the disk answers a submission when the log is there', async () => {
    const { url } = await startOwnValkey({ settings: { appendonly: 'yes', appendfsync: 'always' } })
    expect(await submitTo(url, 'disk')).toMatchObject({ code: 0 })
  })

  it.each(['replica', 'replica-disk', 'disk-and-replica-disk'])(
    '%s says that it cannot tell whether a submission is safe where no replica follows',
    async (waitFor) => {
      const { url } = await startOwnValkey({ settings: { appendonly: 'yes', appendfsync: 'always' } })
      const { code, err } = await submitTo(url, waitFor)
      expect(code).not.toBe(0)
      expect(err).toContain('timed_out')
    },
  )
})
