import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { mintUuid } from '@flowfabric/core'
import { createEmbedded } from '@flowfabric/embedded'
import { createClient, defineTask } from '@flowfabric/sdk'
import { startServer } from '@flowfabric/server'
import { expect, it, onTestFinished } from 'vitest'
import { createStorePlace } from '../support/store-place.js'
import { until } from '../support/until.js'
import { startVictim } from './victims.js'

/** A server in this process, and a worker in another one that is killed and comes back. */
async function openScene() {
  const place = await createStorePlace({ lasting: true })
  onTestFinished(() => place.remove())
  const folder = mkdtempSync(path.join(tmpdir(), 'flowfabric-waiting-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const embedded = await createEmbedded({ ...place.embedded, partitions: { flow: 4 } })
  onTestFinished(() => embedded.stop())
  await embedded.start()
  const token = mintUuid()
  const server = await startServer({ engine: embedded.engine, token, port: 0 })
  onTestFinished(() => server.stop())
  const client = createClient({ connect: { url: server.url, token } })
  onTestFinished(() => client.close())
  const runsFile = path.join(folder, 'runs')
  const worker = startVictim('worker', ['test/faults/programs/waiting-worker.mjs'], {
    FF_URL: server.url,
    FF_TOKEN: token,
    FF_RUNS_FILE: runsFile,
  })
  onTestFinished(() => worker.end())
  const lines = () => (existsSync(runsFile) ? readFileSync(runsFile, 'utf8').trim().split('\n') : [])
  const note = (line: string) => appendFileSync(runsFile, `${line}\n`)
  return { client, worker, lines, note }
}

it('a handler that waits goes on in another worker when its own is killed, with its journal', async () => {
  const { client, worker, lines, note } = await openScene()
  const handle = await client.submit(defineTask({ kind: 'waits' }))
  const isSuspended = async () => (await handle.status()).publicState === 'suspended'
  await until('it waits', isSuspended, 60_000)
  // While it waits: nobody holds it, and nothing is lost.
  await worker.killAndReplace()
  const first = await handle.signal('first', 'yes', { by: 'ann' })
  expect(first).toMatchObject({ outcome: 'satisfied' })
  // In the middle, after it was resumed: its lease runs out, and a new attempt is given what the old one was.
  await until('it hangs', () => lines().includes('hangs'), 60_000)
  note('hang no more')
  await worker.killAndReplace()
  await until('it waits again', isSuspended, 60_000)
  await until(
    'it waits for the second',
    async () => (await handle.waitpoints()).some(({ name }) => name === 'second'),
    60_000,
  )
  const second = await handle.signal('second', 'yes')
  expect(second).toMatchObject({ outcome: 'satisfied' })
  expect(await handle.result({ timeoutMs: 60_000 })).toEqual({
    charged: expect.any(Number),
    called: 'of the child',
    signals: [first, second].map((sent) => 'signalId' in sent && sent.signalId),
  })
  const told = lines()
  expect(told.filter((line) => line === 'charged')).toHaveLength(1)
  expect(told.filter((line) => line === 'child ran')).toHaveLength(1)
  expect(told.filter((line) => line.startsWith('resumed')).slice(0, 2)).toEqual([
    'resumed in attempt 0',
    'resumed in attempt 1',
  ])
  expect((await handle.attempts()).map(({ type, state }) => [type, state])).toEqual([
    ['initial', 'interrupted_reclaimed'],
    ['reclaim', 'ended_success'],
  ])
})
