import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { withClient } from '../../support/servers/valkey-client.js'

/** Two engines and their workers ask so often when there is nothing to do; whoever runs in circles asks thousands of times. */
const restingPerSecond = 250

/** With nothing left to do, next to nothing is asked for. */
export async function expectRest(ports: readonly number[], deployments = 1): Promise<void> {
  const count = async () => {
    const infos = ports.map((port) =>
      withClient(port, async (client) => String(await client.info('commandstats'))),
    )
    const calls = (await Promise.all(infos)).map((info) =>
      Number(/^cmdstat_fcall:calls=(\d+)/m.exec(info)?.[1] ?? 0),
    )
    return calls.reduce((sum, each) => sum + each, 0)
  }
  // What the last ends brought about comes first.
  await pause(500)
  const before = await count()
  await pause(1_000)
  expect((await count()) - before).toBeLessThan(restingPerSecond * deployments)
}
