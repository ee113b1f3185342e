// An engine and a worker in one process, on the built packages: each handler spends some of what it estimated, and then the
// rest or more than that, under keys by which a repeat is known.
import { setTimeout as pause } from 'node:timers/promises'
import { createEmbedded } from '@flowfabric/embedded'
import { BudgetExceeded, createWorker, defineTask, type } from '@flowfabric/sdk'

const { FF_PLACE: place, FF_SECOND_SHARES: secondShares } = process.env

// Others take over soon, so that what it held when it was killed is given back soon.
const engine = { heartbeatMs: 500, aliveMs: 2_000 }
const embedded = await createEmbedded({ ...JSON.parse(place), engine })
await embedded.start()

const second = JSON.parse(secondShares)
const handler = async ({ spend, execution }) => {
  const charge = (tokens, key) =>
    spend({ tokens }, { key }).catch((error) => {
      // What was spent is charged all the same.
      if (!(error instanceof BudgetExceeded)) throw error
    })
  await pause(Math.random() * 150)
  await charge(3, 'first')
  await pause(Math.random() * 150)
  await charge(second[execution.kind], 'second')
}
const tasks = Object.keys(second).map((kind) => defineTask({ kind, input: type(), handler }))

const { explain, waitpoints } = embedded
const worker = createWorker({
  connect: { backend: embedded.engine.backend, explain, waitpoints },
  tasks,
  concurrency: 8,
  leaseTtlMs: 2_500,
})
await worker.start()
