import { expect, it } from 'vitest'
import { isSoak } from '../../support/soak.js'
import { killStandalone } from './standalone.js'

const kills = Number(process.env.FF_KILLS ?? (isSoak ? 50 : 3))

it(`a server that is killed ${kills} times loses at most its last two seconds, and its store stays whole`, {
  timeout: 900_000,
}, async () => {
  const { oldestMs } = await killStandalone({ name: 'Valkey killed, everysec', kills })
  expect(oldestMs).toBeLessThan(2_000)
})
