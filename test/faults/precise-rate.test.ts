import { setTimeout as pause } from 'node:timers/promises'
import { defaultLane, defaultNamespace, mintSoloExecutionId, parseKind } from '@flowfabric/core'
import { createEmbedded } from '@flowfabric/embedded'
import { createClient, createWorker, defineTask } from '@flowfabric/sdk'
import { expect, it, onTestFinished } from 'vitest'
import { isSoak } from '../support/soak.js'
import { createStorePlace } from '../support/store-place.js'

const perSecond = 100
const seconds = Number(process.env.FF_RATE_SECONDS ?? (isSoak ? 60 : 5))
const partitions = { flow: 8, budget: 1, quota: 1 }

it(`starts ${perSecond} a second over ${seconds} s where there is more to do, within one percent`, {
  timeout: (seconds + 60) * 1_000,
}, async () => {
  const place = await createStorePlace()
  onTestFinished(() => place.remove())
  const embedded = await createEmbedded({ ...place.embedded, partitions })
  onTestFinished(() => embedded.stop())
  const { engine, explain, waitpoints } = embedded
  const connect = { backend: engine.backend, explain, waitpoints }
  const client = createClient({ connect })
  onTestFinished(() => client.close())
  const starts: number[] = []
  const task = defineTask({
    kind: 'counted',
    handler: ({ now }) => {
      starts.push(now())
    },
  })
  const rate = { units: perSecond, windowMs: 1_000 }
  const { id: quotaId } = await client.quotas.create({ label: 'rate', rate })
  const items = Array.from({ length: (seconds + 3) * perSecond }, () => ({
    id: mintSoloExecutionId({
      namespace: defaultNamespace,
      lane: defaultLane,
      shards: 1,
      count: partitions.flow,
    }),
    kind: parseKind(task.kind),
    lane: defaultLane,
    input: null,
    quotas: [{ quotaId }],
  }))
  for (let at = 0; at < items.length; at += perSecond) {
    await engine.backend.executions.submit({
      namespace: defaultNamespace,
      items: items.slice(at, at + perSecond),
    })
  }
  await embedded.start()
  const worker = createWorker({ connect, tasks: [task], concurrency: perSecond })
  onTestFinished(() => worker.drain({ graceMs: 1_000 }))
  await worker.start()
  await pause((seconds + 1) * 1_000)
  const beganAtMs = Math.min(...starts)
  const started = starts.filter((atMs) => atMs < beganAtMs + seconds * 1_000).length
  console.info(`${started} started in ${seconds} s, of ${perSecond * seconds}`)
  expect(started).toBeGreaterThanOrEqual(0.99 * perSecond * seconds)
  expect(started).toBeLessThanOrEqual(1.01 * perSecond * seconds)
})
