import { mintUuid, SigningSecret } from '@flowfabric/core'
import { createEngine, type Engine } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import {
  allOf,
  type Client,
  createClient,
  createWorker,
  defineFlow,
  defineTask,
  listOf,
  type,
  type Worker,
} from '@flowfabric/sdk'
import { createApp } from '@flowfabric/server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createModel, type ModelBackend } from '../model/index.js'

type App = Awaited<ReturnType<typeof createApp>>
const token = 'token-of-the-test'
let store: ModelBackend
let engine: Engine
let app: App
let url: string
let client: Client
let workers: Worker[]

beforeEach(async () => {
  store = createModel({ partitions: { flow: 4 } })
  const secret = new SigningSecret('k1', mintUuid())
  await store.keyring.add(secret)
  engine = createEngine({ backend: store, scanners: foundationScanners(), signingSecrets: [secret] })
  await engine.start()
  app = await createApp({ engine, token })
  url = await app.listen({ host: '127.0.0.1', port: 0 })
  client = createClient({ connect: { url, token } })
  workers = []
})

afterEach(async () => {
  client.close()
  await Promise.all(workers.map((worker) => worker.drain({ graceMs: 0 })))
  await app.close()
  await engine.stop({ graceMs: 1_000 })
})

async function startWorker(
  options: Partial<Parameters<typeof createWorker>[0]> & Pick<Parameters<typeof createWorker>[0], 'tasks'>,
) {
  const worker = createWorker({ workerId: 'remote', connect: { url, token }, ...options })
  workers.push(worker)
  await worker.start()
  return worker
}

const part = defineTask({
  kind: 'part',
  input: type<number>(),
  handler: ({ input }) => ({ squared: input * input }),
})
const sum = defineTask({
  kind: 'sum',
  upstream: { items: listOf(part) },
  handler: ({ resultsOf }) => resultsOf('items').reduce((total, { squared }) => total + squared, 0),
})

describe('over HTTP', () => {
  test('a task runs as it does in process', async () => {
    await startWorker({ tasks: [part] })
    const handle = await client.submit(part, 7)
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ squared: 49 })
    expect((await handle.attempts()).map(({ state }) => state)).toEqual(['ended_success'])
  })

  test('a schedule is put, read, triggered and deleted as in process', async () => {
    await startWorker({ tasks: [part] })
    const put = await client.schedules.put({ label: 'hourly', everyMs: 3_600_000 }, part, 5)
    expect(put).toMatchObject({ id: client.schedules.idOf('hourly'), overlap: 'skip' })
    const { schedule, nextFiresMs } = await client.schedules.get(put.id)
    expect(schedule).toEqual(put)
    expect(nextFiresMs).toHaveLength(10)
    const { started, isDuplicate } = await client.schedules.trigger(put.id, { key: 'one' })
    expect(isDuplicate).toBe(false)
    expect(await client.handle(String(started[0]), part).result({ timeoutMs: 5_000 })).toEqual({
      squared: 25,
    })
    expect(await client.schedules.trigger(put.id, { key: 'one' })).toMatchObject({
      isDuplicate: true,
      started,
    })
    const range = { from: 0, to: 3_600_000, key: 'one' }
    await expect(client.schedules.backfill(put.id, range)).rejects.toMatchObject({
      code: 'idempotency_conflict',
    })
    const past = await client.schedules.backfill(put.id, { ...range, key: 'past' })
    expect(past.started).toHaveLength(2)
    expect(await client.schedules.pause(put.id, 'enough')).toBe(true)
    expect((await client.schedules.list()).items).toMatchObject([
      { id: put.id, paused: true, pauseReason: 'enough' },
    ])
    expect(await client.schedules.resume(put.id)).toBe(true)
    expect(await client.schedules.delete(put.id)).toBe(true)
    await expect(client.schedules.get(put.id)).rejects.toMatchObject({ code: 'schedule_not_found' })
  })

  test('what matches is cancelled and replayed by durable operations, as in process', async () => {
    const { operations } = client
    const held = await client.submitMany(part, [1, 2, 3], { lane: 'nobody', tags: { 'batch.id': '7' } })
    const cancelled = await operations.cancel({ tags: { 'batch.id': '7' } }, { reason: 'enough' })
    expect(cancelled).toMatchObject({ state: 'running', work: { kind: 'cancel', reason: 'enough' } })
    const seen: number[] = []
    const ended = await operations.wait(cancelled.id, { onProgress: ({ done }) => seen.push(done) })
    expect(ended).toMatchObject({ state: 'completed', total: held.length, done: 3, failed: 0, failures: [] })
    expect(seen.at(-1)).toBe(3)
    expect(await client.count({ tags: { 'batch.id': '7' }, states: ['cancelled'] })).toBe(3)
    const filter = { tags: { 'batch.id': '7' }, states: ['cancelled'] } as const
    const replayed = await operations.replay(filter, { id: mintUuid() })
    expect((await operations.wait(replayed.id)).done).toBe(3)
    // A repeat under its id begins nothing; other work under it is refused.
    expect(await operations.replay(filter, { id: replayed.id })).toMatchObject({ id: replayed.id, done: 3 })
    await expect(operations.cancel({}, { id: replayed.id })).rejects.toMatchObject({
      code: 'operation_conflict',
    })
    expect((await operations.list()).items.map(({ id }) => id)).toEqual(
      expect.arrayContaining([cancelled.id, replayed.id]),
    )
    expect(await operations.pause(replayed.id)).toBe(false)
    expect(await operations.resume(replayed.id)).toBe(false)
    expect(await operations.stop(replayed.id, 'over')).toBe(false)
    await expect(operations.get(mintUuid())).rejects.toMatchObject({ code: 'operation_not_found' })
    await expect(operations.replay({ states: ['active'] })).rejects.toMatchObject({ code: 'invalid_params' })
  })

  test('webhooks are put, changed and asked about as in process', async () => {
    const { webhooks } = client
    const options = { url: 'https://example.org/hook', filter: { names: ['flow'] } }
    const { webhook, secret } = await webhooks.create({ ...options, id: mintUuid() })
    expect(secret).toMatch(/^whsec_/)
    expect((await webhooks.create({ ...options, id: webhook.id })).secret).toBeNull()
    expect(await webhooks.update(webhook.id, { ...options, label: 'ours' })).toMatchObject({ label: 'ours' })
    expect(await webhooks.disable(webhook.id, 'enough')).toBe(true)
    expect(await webhooks.disable(webhook.id)).toBe(false)
    expect(await webhooks.get(webhook.id)).toMatchObject({ state: 'disabled', disabledBecause: 'operator' })
    expect(await webhooks.enable(webhook.id)).toBe(true)
    const rotated = await webhooks.rotateSecret(webhook.id, { overlapMs: 1_000 })
    expect(rotated.secret).not.toBe(secret)
    expect(rotated.webhook.secrets).toHaveLength(2)
    expect((await webhooks.list()).items.map(({ id }) => id)).toContain(webhook.id)
    expect(await webhooks.deliveries(webhook.id, { state: 'pending' })).toEqual({
      items: [],
      nextCursor: null,
    })
    expect(await webhooks.redeliver(webhook.id)).toBe(0)
    await expect(webhooks.create({ url: 'https://10.0.0.1/' })).rejects.toMatchObject({
      code: 'invalid_webhook_url',
    })
    await expect(webhooks.update(mintUuid(), options)).rejects.toMatchObject({ code: 'webhook_not_found' })
    await expect(webhooks.deliveries(webhook.id, { cursor: 'x' })).rejects.toMatchObject({
      code: 'invalid_cursor',
    })
    expect(await webhooks.delete(webhook.id)).toBe(true)
    expect(await webhooks.delete(webhook.id)).toBe(false)
  })

  test('what matches is cancelled over plain HTTP too, once for each idempotency key', async () => {
    const post = async (path: string, body: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const answer = await fetch(`${url}/v1${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
      return {
        status: answer.status,
        json: (await answer.json()) as { readonly operation: { readonly id: string } },
      }
    }
    await client.submitMany(part, [1, 2], { lane: 'nobody' })
    const asked = { filter: { lane: 'nobody' }, idempotencyKey: 'one', reason: 'enough' }
    const first = await post('/executions:cancel', asked)
    expect(first).toMatchObject({
      status: 201,
      json: { outcome: 'created', operation: { state: 'running' } },
    })
    const { id } = first.json.operation
    expect((await client.operations.wait(id)).done).toBe(2)
    expect(await post('/executions:cancel', asked)).toMatchObject({
      status: 200,
      json: { outcome: 'duplicate', operation: { id, state: 'completed', done: 2 } },
    })
    expect(await post('/executions:cancel', { ...asked, filter: {} })).toMatchObject({
      status: 409,
      json: { code: 'operation_conflict' },
    })
    const again = { filter: { lane: 'nobody', states: ['cancelled'] } }
    expect(await post('/executions:replay', again)).toMatchObject({ status: 201 })
    expect(await post('/executions:replay', { filter: { lane: 'nobody' } })).toMatchObject({ status: 400 })
    // Nobody asks for what follows from a budget.
    const breach = { kind: 'budget_breach', budgetId: mintUuid(), rule: 'fail_running' }
    expect(await post('/operations', { work: breach })).toMatchObject({ status: 400 })
    expect(await post('/operations', { work: { kind: 'cancel', filter: { state: 'x' } } })).toMatchObject({
      status: 400,
    })
  })

  test('a flow hands results down and answers its own', async () => {
    const flow = defineFlow('squares', (f, input: readonly number[]) => ({
      total: f.map(input, part).join(sum),
    }))
    await startWorker({ tasks: [part, sum] })
    const handle = await client.submit(flow, [1, 2, 3])
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ total: 14 })
    expect(await handle.graph()).toHaveLength(4)
  })

  test('a worker waits for work, and gets it by a hint', async () => {
    await startWorker({ tasks: [part] })
    const warm = await client.submit(part, 1)
    await warm.result({ timeoutMs: 5_000 })
    await expect.poll(() => engine.health().claimsWaiting, { timeout: 2_000 }).toBe(1)
    const began = performance.now()
    const handle = await client.submit(part, 2)
    await handle.result({ timeoutMs: 5_000 })
    // Without hints it would be the re-check after a second.
    expect(performance.now() - began).toBeLessThan(900)
  })

  test('frames are followed as they come, and make a summary', async () => {
    let goOn = () => {}
    const pause = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const talking = defineTask({
      kind: 'talking',
      async handler({ emit, summary }) {
        await Promise.all([emit({ token: 'a' }, { type: 'token' }), summary({ tokens: 1 })])
        await pause
        void emit(null)
      },
    })
    await startWorker({ tasks: [talking] })
    const handle = await client.submit(talking)
    const seen: unknown[] = []
    for await (const { data } of handle.stream()) {
      if (seen.push(data) === 2) goOn()
    }
    expect(seen).toEqual([{ token: 'a' }, { tokens: 1 }, null])
    expect(await handle.summary()).toMatchObject({ document: { tokens: 1 }, patchCount: 1 })
  })

  test('steps, progress, submits and spawns are recorded', async () => {
    const parent = defineTask({
      kind: 'parent',
      retry: { backoff: { initialMs: 0, maxMs: 0 } },
      async handler({ step, progress, submit, spawn, attempt }) {
        const drawn = await step('draw', () => attempt.index)
        progress(50, 'half')
        await submit('solo', part, 3)
        await spawn((f) => f.feed(f.existing('sum', sum), { items: f.map([1, 2], part) }))
        if (attempt.index === 0) throw new Error('once more')
        return drawn
      },
    })
    const flow = defineFlow('grows', (f) => ({ total: f.after(allOf(f.node(parent))).openNode(sum) }))
    await startWorker({ tasks: [parent, part, sum] })
    const handle = await client.submit(flow)
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ total: 5 })
    expect(await (await handle.member('parent')).result()).toBe(0)
    expect(await client.count({ kind: part.kind })).toBe(3)
  })

  test('a handler learns within a second that it was cancelled', async () => {
    const reasons: unknown[] = []
    const waits = defineTask({
      kind: 'waits',
      handler: ({ signal }) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            reject(signal.reason as Error)
          })
        }),
    })
    await startWorker({ tasks: [waits] })
    const handle = await client.submit(waits)
    await expect.poll(async () => (await handle.status()).publicState, { timeout: 5_000 }).toBe('active')
    await handle.cancel()
    await expect.poll(() => reasons, { timeout: 1_000 }).toMatchObject([{ kind: 'cancelled' }])
    expect(await handle.end({ timeoutMs: 5_000 })).toMatchObject({
      outcome: 'cancelled',
      cancelCause: 'operator',
    })
  })

  test('the change feed is followed', async () => {
    const ending = new AbortController()
    const seen: string[] = []
    const following = (async () => {
      for await (const { events } of client.events({ from: 'now', signal: ending.signal })) {
        for (const event of events) if (event.type === 'execution') seen.push(event.publicState)
        if (seen.includes('completed')) break
      }
    })()
    await startWorker({ tasks: [part] })
    await (await client.submit(part, 1)).result({ timeoutMs: 5_000 })
    await expect.poll(() => seen, { timeout: 5_000 }).toContain('completed')
    ending.abort()
    await following
  })

  test('refusals and errors are what they are in process', async () => {
    const id = await client.mintId()
    await client.submit(part, 1, { id })
    await expect(client.submit(part, 2, { id })).rejects.toMatchObject({
      code: 'execution_conflict',
      kind: 'conflict',
    })
    await expect(client.handle('{fp:1}:0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f').status()).rejects.toMatchObject(
      {
        code: 'execution_not_found',
      },
    )
    const stranger = createClient({ connect: { url, token: 'another-token' } })
    await expect(stranger.submit(part, 1)).rejects.toMatchObject({ code: 'unauthorized' })
    stranger.close()
    const elsewhere = createClient({ connect: { url, token, namespace: 'other' } })
    await expect(elsewhere.handle(id).status()).rejects.toMatchObject({ code: 'execution_not_found' })
    elsewhere.close()
  })

  test('a worker survives a restart of its server', async () => {
    await startWorker({ tasks: [part] })
    const { port } = new URL(url)
    await app.close()
    app = await createApp({ engine, token })
    await app.listen({ host: '127.0.0.1', port: Number(port) })
    const handle = await client.submit(part, 4)
    expect(await handle.result({ timeoutMs: 10_000 })).toEqual({ squared: 16 })
  })

  test('explain tells why nothing happens', async () => {
    const handle = await client.submit(part, 1)
    expect(await handle.explain()).toMatchObject({ dominant: { reason: 'no_worker' } })
  })
})
