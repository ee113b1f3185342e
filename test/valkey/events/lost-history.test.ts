import { setTimeout as sleep } from 'node:timers/promises'
import { createValkeyBackend } from '@flowfabric/backend-valkey'
import {
  type EngineEvent,
  mintSoloExecutionId,
  parseKind,
  parseLaneId,
  parseNamespace,
} from '@flowfabric/core'
import { expect, it, onTestFinished } from 'vitest'
import { codeOf } from '../../support/builders.js'
import { openValkeyStore, type ValkeyStore } from '../../support/servers/valkey-store.js'

const namespace = parseNamespace('history')
const lane = parseLaneId('lane')
const kind = parseKind('work')

/** A lane whose every submission is told, on a store that a test can set back. */
async function openStore() {
  const store = await openValkeyStore('valkey')
  const backend = createValkeyBackend({ ...store.options, partitions: { flow: 1, budget: 1, quota: 1 } })
  onTestFinished(async () => {
    await backend.maintenance.close()
    await store.close()
  })
  await backend.maintenance.prepare()
  await backend.lanes.configure({ namespace, lane, settings: { eventLevel: 'all' } })
  const submit = async (count: number) => {
    const items = Array.from({ length: count }, () => ({
      id: mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 }),
      kind,
      lane,
      input: null,
    }))
    await backend.executions.submit({ namespace, items })
    return items.map(({ id }) => id)
  }
  return { store, submit, read: (cursor?: string) => backend.events.read({ namespace, cursor }) }
}

/** What the keys hold now, to be put back: as a replica that had not heard of what came later takes over. */
async function remember({ inside }: ValkeyStore): Promise<() => Promise<void>> {
  const keys = await inside.keys()
  const values = await Promise.all(keys.map((key) => inside.send('DUMP', key) as Promise<Buffer>))
  return async () => {
    await inside.send('DEL', ...(await inside.keys()))
    await Promise.all(keys.map((key, nth) => inside.send('RESTORE', key, 0, values[nth] ?? '')))
  }
}

const subjects = (events: readonly EngineEvent[]) =>
  events.map((event) => (event.type === 'execution' ? event.executionId : 'flowId' in event && event.flowId))

it('a reader is told that events it has seen are lost, also when others have their numbers', async () => {
  const { store, submit, read } = await openStore()
  await submit(2)
  const kept = (await read()).cursor
  const setBack = await remember(store)
  await submit(3)
  const lost = (await read(kept)).cursor

  await setBack()
  expect(await codeOf(read(lost))).toBe('cursor_expired')
  await sleep(2)
  const fresh = await submit(5)
  expect(await codeOf(read(lost))).toBe('cursor_expired')
  expect(subjects((await read(kept)).events)).toEqual(fresh)
})
