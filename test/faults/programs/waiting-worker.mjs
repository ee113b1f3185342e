// A worker whose handler waits for people, on the built SDK. What it does outside leaves a line in a file; where a line says
// so already, the handler hangs there no more.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { createWorker, defineTask } from '@flowfabric/sdk'

const { FF_URL: url, FF_TOKEN: token, FF_RUNS_FILE: runsFile } = process.env

const note = (line) => appendFileSync(runsFile, `${line}\n`)
const isNoted = (line) => existsSync(runsFile) && readFileSync(runsFile, 'utf8').split('\n').includes(line)

const child = defineTask({
  kind: 'child',
  handler: () => {
    note('child ran')
    return 'of the child'
  },
})
const waits = defineTask({
  kind: 'waits',
  async handler({ step, suspend, call, attempt }) {
    const charged = await step('charge', () => {
      note('charged')
      return process.pid
    })
    const first = await suspend('first', { reason: 'approval' })
    note(`resumed in attempt ${attempt.index}`)
    if (!isNoted('hang no more')) {
      note('hangs')
      await pause(600_000)
    }
    const called = await call('child', child)
    const second = await suspend('second')
    return { charged, called, signals: [...first.signals, ...second.signals].map(({ id }) => id) }
  },
})

const worker = createWorker({
  connect: { url, token },
  tasks: [waits, child],
  concurrency: 4,
  leaseTtlMs: 2_000,
})
await worker.start()
