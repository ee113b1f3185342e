// A worker of the fault tests, on the built SDK: every run of a handler leaves a line in a file of its process.
import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { createWorker, defineTask, type } from '@flowfabric/sdk'

const { FF_URL: url, FF_TOKEN: token, FF_RUNS_FILE: runsFile } = process.env

const handler = async ({ execution, attempt }) => {
  appendFileSync(runsFile, `${execution.id} ${attempt.index}\n`)
  await pause(Math.random() * 150)
  return execution.id
}
const kinds = ['solo', 'member']
const tasks = kinds.map((kind) => defineTask({ kind, output: type(), handler }))

const worker = createWorker({
  connect: { url, token },
  tasks,
  lanes: ['default'],
  concurrency: 8,
  leaseTtlMs: 2_000,
})
// Its server may be down just now.
for (;;) {
  try {
    await worker.start()
    break
  } catch (error) {
    if (worker.state !== 'new') process.exit(1)
    await pause(100)
    console.error(String(error))
  }
}
