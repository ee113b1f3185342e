import { createValkeyBackend } from '@flowfabric/backend-valkey'
import {
  type ExecutionSubmission,
  mintClaimId,
  mintExecutionId,
  mintInstanceId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parseWorkerId,
} from '@flowfabric/core'
import { Redis } from 'iovalkey'
import { describe, expect, it, onTestFinished } from 'vitest'
import { unpack } from '../../packages/backend-valkey/src/records/packing.js'
import { startMs } from '../support/backends.js'
import { createTestValkey } from '../support/servers/test-valkey.js'
import { until } from '../support/until.js'

const namespace = parseNamespace('hints')
const lane = parseLaneId('heard')
const kind = parseKind('work')
const originChars = 8

/** A store of one partition, and all that is published there. */
async function openStore() {
  const { url, database, drop } = await createTestValkey()
  onTestFinished(() => drop())
  const backend = createValkeyBackend({ url, partitions: { flow: 1, budget: 1, quota: 1 } })
  onTestFinished(() => backend.maintenance.close())
  await backend.maintenance.prepare({ virtualTime: { startMs } })
  const listener = new Redis(url)
  onTestFinished(() => listener.disconnect())
  const speaker = new Redis(url)
  onTestFinished(() => speaker.disconnect())
  const channel = `ff:idx:{fp:0}:hints:${database}`
  const messages: unknown[][] = []
  let marks = 0
  listener.on('smessageBuffer', (_channel: Buffer, message: Buffer) => {
    if (message.length === 0) marks += 1
    else messages.push(unpack(message.subarray(originChars), 'a message') as unknown[])
  })
  await listener.ssubscribe(channel)
  /** What was published since the last time; an empty message behind it says that all of it has come. */
  const heard = async () => {
    const before = marks
    await speaker.spublish(channel, '')
    await until('the mark was heard', () => marks > before)
    return messages.splice(0).map(([, filled, due, outbox, ended, attention, last, freed, , , frames]) => ({
      ready: listOf(filled).length / 2,
      dueAtMs: due,
      outbox,
      ended: listOf(ended).length,
      attention: listOf(attention).length,
      last,
      freed: listOf(freed),
      frames: listOf(frames).length,
    }))
  }
  const solo = (more: Partial<ExecutionSubmission> = {}): ExecutionSubmission => ({
    id: mintExecutionId(0),
    kind,
    lane,
    input: null,
    ...more,
  })
  const instanceId = mintInstanceId()
  const request = () => ({
    claimId: mintClaimId(),
    workerId: parseWorkerId('w'),
    instanceId,
    namespaces: [namespace],
    lanes: [lane],
    kinds: [kind],
    capabilities: [],
    max: 8,
    leaseTtlMs: 60_000,
  })
  const submit = (...items: ExecutionSubmission[]) => backend.executions.submit({ namespace, items })
  return { backend, heard, solo, request, submit }
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

describe('what a call publishes', () => {
  it('work of a route that had none, once', async () => {
    const { heard, solo, submit } = await openStore()
    await submit(solo(), solo())
    expect(await heard()).toMatchObject([{ ready: 1, last: 0 }])
    await submit(solo())
    expect(await heard()).toEqual([])
  })

  it('nothing of work that it takes itself', async () => {
    const { backend, heard, solo, request } = await openStore()
    // Its timer comes before all that follow.
    await backend.executions.submit({ namespace, items: [solo()], next: { ...request(), leaseTtlMs: 1_000 } })
    await heard()
    const { claimed } = await backend.executions.submit({ namespace, items: [solo()], next: request() })
    expect(claimed).toHaveLength(1)
    expect(await heard()).toEqual([])
  })

  it('a timer only where it comes before all others', async () => {
    const { heard, solo, submit } = await openStore()
    await submit(solo({ delayMs: 5_000 }))
    expect(await heard()).toMatchObject([{ dueAtMs: startMs + 5_000 }])
    await submit(solo({ delayMs: 9_000 }))
    expect(await heard()).toEqual([])
    await submit(solo({ delayMs: 1_000 }))
    expect(await heard()).toMatchObject([{ dueAtMs: startMs + 1_000 }])
  })

  it('ends and the growth of the feed, as long as others listen', async () => {
    const { backend, heard, solo, request, submit } = await openStore()
    await submit(solo())
    const answer = await backend.leases.claim(request())
    await heard()
    const handle = answer.outcome === 'claimed' ? (answer.leases[0]?.handle ?? '') : ''
    await backend.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }] })
    expect(await heard()).toMatchObject([{ ended: 1, last: 1 }])
  })

  it('frames, once a call, and nothing of a repeat', async () => {
    const { backend, heard, solo, request, submit } = await openStore()
    await submit(solo())
    const answer = await backend.leases.claim(request())
    const handle = answer.outcome === 'claimed' ? (answer.leases[0]?.handle ?? '') : ''
    await heard()
    const items = [0, 1].map((frameNumber) => ({
      handle,
      mode: 'durable' as const,
      frameNumber,
      frame: new Uint8Array(),
    }))
    await backend.streams.append({ namespaces: [namespace], items })
    expect(await heard()).toMatchObject([{ frames: 1, ready: 0, ended: 0 }])
    await backend.streams.append({ namespaces: [namespace], items })
    expect(await heard()).toEqual([])
  })

  it('that a lane has room again, and the work that waits there', async () => {
    const { backend, heard, solo, submit } = await openStore()
    await backend.lanes.setState({ namespace, lane, state: 'paused' })
    await submit(solo())
    await heard()
    await backend.lanes.setState({ namespace, lane, state: 'active' })
    expect(await heard()).toMatchObject([{ ready: 1, freed: [`${namespace}/${lane}`] }])
  })
})

describe('hints of a process', () => {
  it('tell of a growing feed only when it grew', async () => {
    const { backend, solo, submit } = await openStore()
    const types: string[] = []
    const stop = backend.events.listen({ onHint: ({ type }) => types.push(type) })
    onTestFinished(stop)
    await submit(solo({ delayMs: 1_000 }))
    await until('it was told of the timer', async () => types.includes('due'))
    expect(types).not.toContain('events')
    await backend.lanes.configure({ namespace, lane, settings: { eventLevel: 'all' } })
    await submit(solo())
    await until('it was told of the feed', async () => types.includes('events'))
  })
})
