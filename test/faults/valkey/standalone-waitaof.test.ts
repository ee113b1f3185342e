import { expect, it } from 'vitest'
import { isSoak } from '../../support/soak.js'
import { killStandalone } from './standalone.js'

const kills = Number(process.env.FF_KILLS ?? (isSoak ? 50 : 2))

it(`with WAITAOF a server that is killed ${kills} times loses nothing that was acknowledged`, {
  timeout: 900_000,
}, async () => {
  const losses = await killStandalone({
    name: 'Valkey killed, everysec with WAITAOF',
    kills,
    durability: { for: ['submit', 'terminal'], aof: { local: 1, replicas: 0 }, timeoutMs: 5_000 },
  })
  expect(losses).toEqual({ lost: {}, oldestMs: 0 })
})
