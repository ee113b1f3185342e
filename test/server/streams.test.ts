import { defaultNamespace, type ExecutionId } from '@flowfabric/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../support/until.js'
import { startTestServer, type TestServer } from './support/test-server.js'

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
})
afterEach(() => server.stop())

interface SseEvent {
  readonly id?: string
  readonly event?: string
  readonly data?: string
}

/** An open event stream, read until it has what is asked for. */
async function openStream(path: string, headers: Readonly<Record<string, string>> = {}) {
  const controller = new AbortController()
  const response = await fetch(`${server.url}${path}`, {
    headers: { authorization: `Bearer ${server.token}`, accept: 'text/event-stream', ...headers },
    signal: controller.signal,
  })
  const reader = response.body?.getReader()
  const decoder = new TextDecoder()
  const events: SseEvent[] = []
  let rest = ''
  return {
    response,
    events,
    close: () => controller.abort(),
    /** Reads on until `count` events with data have come, or the stream ends. */
    async take(count: number): Promise<readonly SseEvent[]> {
      while (events.filter(({ data }) => data !== undefined).length < count) {
        const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
        if (done) break
        const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n')
        rest = blocks.pop() ?? ''
        for (const block of blocks) {
          const lines = block.split('\n').filter((line) => line !== '' && !line.startsWith(':'))
          if (lines.length > 0)
            events.push(Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2))))
        }
      }
      return events.filter(({ data }) => data !== undefined)
    },
  }
}

const submit = (fields: object = {}) =>
  server.call('POST', '/v1/executions', { body: { kind: 'x', lane: 'feed', ...fields } })
const cancel = (id: unknown) => server.call('POST', `/v1/executions/${encodeURIComponent(String(id))}/cancel`)
const namesOf = (events: readonly SseEvent[]) =>
  events.map(({ data }) => {
    const { executionId, publicState } = JSON.parse(data ?? '{}') as Record<string, string>
    return `${executionId} ${publicState}`
  })

describe('the event stream', () => {
  it('carries what happens, and goes on after Last-Event-ID', async () => {
    const stream = await openStream('/v1/events?from=now')
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const first = (await submit()).json.id
    await cancel(first)
    const events = await stream.take(1)
    expect(namesOf(events)).toEqual([`${first} cancelled`])
    const lastId = stream.events.findLast(({ id }) => id !== undefined)?.id
    stream.close()

    const second = (await submit()).json.id
    await cancel(second)
    const again = await openStream('/v1/events', { 'last-event-id': String(lastId) })
    expect(namesOf(await again.take(1))).toEqual([`${second} cancelled`])
    again.close()
  })

  it('refuses a bad cursor as a problem, before it begins', async () => {
    const { response } = await openStream('/v1/events', { 'last-event-id': 'nonsense' })
    expect(response.status).toBe(400)
  })

  it('is a page of JSON for who asks for JSON', async () => {
    const id = (await submit()).json.id
    await cancel(id)
    const { json } = await server.call('GET', '/v1/events?waitMs=20000')
    expect(json).toMatchObject({ outcome: 'events', events: [{ executionId: id, publicState: 'cancelled' }] })
    const later = await server.call('GET', `/v1/events?cursor=${encodeURIComponent(String(json.cursor))}`)
    expect(later.json.events).toEqual([])
  })

  it('can be narrowed to one execution', async () => {
    const [a, b] = [(await submit()).json.id, (await submit()).json.id]
    await cancel(a)
    await cancel(b)
    const { json } = await server.call(
      'GET',
      `/v1/executions/${encodeURIComponent(String(b))}/events?waitMs=20000`,
    )
    expect(json.events).toMatchObject([{ executionId: b }])
  })
})

describe('the stream of frames', () => {
  const worker = {
    claimId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c070011',
    workerId: 'w',
    instanceId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c070012',
    lanes: ['feed'],
    kinds: ['x'],
    waitMs: 20_000,
  }
  async function start() {
    const id = String((await submit()).json.id)
    const { json } = await server.call('POST', '/v1/claims', { body: worker })
    const [lease] = json.leases as readonly { readonly handle: string }[]
    const handle = String(lease?.handle)
    const append = (items: readonly object[]) =>
      server.call('POST', '/v1/leases/frames', {
        body: { items: items.map((item) => ({ handle, mode: 'durable', ...item })) },
      })
    const complete = () =>
      server.call('POST', '/v1/leases/complete', { body: { items: [{ handle, result: null }] } })
    return { path: `/v1/executions/${encodeURIComponent(id)}`, append, complete }
  }
  const framesIn = (events: readonly SseEvent[]) =>
    events
      .filter(({ event }) => event === 'frame')
      .map(({ data }) => JSON.parse(data ?? '{}') as Record<string, unknown>)

  it('carries frames as they come, goes on after Last-Event-ID, and says why it ends', async () => {
    const { path, append, complete } = await start()
    const stream = await openStream(`${path}/stream`)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const appended = await append([
      { frameNumber: 0, frame: { token: 'a' }, type: 'token' },
      { frameNumber: 1, frameBase64: 'AP8=' },
    ])
    expect(appended.json.items).toMatchObject([{ outcome: 'appended' }, { outcome: 'appended' }])
    const seen = framesIn(await stream.take(2))
    expect(seen).toMatchObject([
      { frameNumber: 0, frame: { token: 'a' }, type: 'token', mode: 'durable', attemptIndex: 0 },
      { frameNumber: 1, frameBase64: 'AP8=', type: null },
    ])
    expect(stream.events.map(({ id }) => id).filter(Boolean)).toEqual(seen.map(({ cursor }) => cursor))
    stream.close()

    await append([{ frameNumber: 2, frame: 'c' }])
    const again = await openStream(`${path}/stream`, { 'last-event-id': String(seen[0]?.cursor) })
    expect(framesIn(await again.take(2)).map(({ frameNumber }) => frameNumber)).toEqual([1, 2])
    await complete()
    const all = await again.take(3)
    expect(all.at(-1)).toMatchObject({ event: 'closed', data: '{"closed":"attempt_ended"}' })
    expect(await again.take(4)).toHaveLength(3)

    // Who comes back for more is told that there is none.
    const over = await openStream(`${path}/stream`, { 'last-event-id': String(all.at(-1)?.id) })
    expect(over.response.status).toBe(204)
  })

  it('is a page of JSON for who asks for JSON, also by attempt and by range', async () => {
    const { path, append, complete } = await start()
    await append([0, 1, 2].map((frameNumber) => ({ frameNumber, frame: frameNumber })))
    const waiting = server.call('GET', `${path}/stream?across=true&limit=2&waitMs=20000`)
    const first = (await waiting).json
    expect(first).toMatchObject({ outcome: 'frames', frames: [{ frame: 0 }, { frame: 1 }], closed: null })
    await complete()
    const cursor = encodeURIComponent(String(first.cursor))
    const rest = await server.call('GET', `${path}/stream?across=true&cursor=${cursor}`)
    expect(rest.json).toMatchObject({ frames: [{ frame: 2 }], closed: 'execution_terminal' })
    const page = await server.call('GET', `${path}/frames?attempt=0&limit=1`)
    expect(page.json).toMatchObject({ items: [{ frame: 0 }] })
    expect((await server.call('GET', `${path}/frames?attempt=1`)).status).toBe(404)
  })

  it('has the summary document', async () => {
    const { path, append } = await start()
    expect((await server.call('GET', `${path}/summary`)).json).toMatchObject({ document: {}, patchCount: 0 })
    const { json } = await append([
      { mode: 'summary', frameNumber: 0, frame: { a: { b: 1, c: null } } },
      { mode: 'summary', frameNumber: 1, frame: 'text' },
      { mode: 'summary', frameNumber: 1, frameBase64: 'AP8=' },
      { mode: 'summary', frameNumber: 1 },
      { mode: 'summary', frameNumber: 3, frame: {} },
    ])
    expect(json.items).toMatchObject([
      { outcome: 'appended' },
      { outcome: 'error', error: { code: 'invalid_patch' } },
      { outcome: 'error', error: { code: 'payload_opaque' } },
      { outcome: 'error', error: { code: 'invalid_params' } },
      { outcome: 'frame_out_of_order', expectedFrameNumber: 1 },
    ])
    expect((await server.call('GET', `${path}/summary?attempt=0`)).json).toMatchObject({
      document: { a: { b: 1 } },
      patchCount: 1,
    })
  })

  it('refuses a bad cursor as a problem, before it begins', async () => {
    const { path } = await start()
    const { response } = await openStream(`${path}/stream`, { 'last-event-id': 'nonsense' })
    expect(response.status).toBe(400)
    const unknown = await server.call(
      'GET',
      '/v1/executions/fp-0-0190a5f0-7a4c-7cc3-98c4-dc0c0c070099/stream',
    )
    expect(unknown.json.code).toBe('execution_not_found')
  })

  it('ends at once with a shutdown', async () => {
    const { path } = await start()
    const stream = await openStream(`${path}/stream`)
    const waiting = server.call('GET', `${path}/stream?waitMs=30000`)
    await until('both wait', async () => {
      const metrics = await (await fetch(`${server.url}/metrics`)).text()
      return metrics.includes('flowfabric_http_waiting 2')
    })
    const startedAt = performance.now()
    await server.server.stop()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect((await waiting).json).toMatchObject({ frames: [], closed: null })
    expect(await stream.take(1)).toEqual([])
  })
})

describe('the stream of hints', () => {
  it('tells that something ended', async () => {
    const stream = await openStream('/v1/hints')
    const { id } = (await submit()).json
    await cancel(id)
    let seen: readonly SseEvent[] = []
    while (!seen.some(({ data }) => data?.includes('"ended"'))) seen = await stream.take(seen.length + 1)
    expect(seen.map(({ data }) => JSON.parse(data ?? ''))).toContainEqual({ type: 'ended', id })
    stream.close()
  })

  it('tells only of the types that were asked for, and refuses those that there are not', async () => {
    const stream = await openStream('/v1/hints?type=attention&type=ended')
    const { id } = (await submit()).json
    await cancel(id)
    expect((await stream.take(1)).map(({ data }) => JSON.parse(data ?? ''))).toEqual([{ type: 'ended', id }])
    stream.close()
    const refused = await server.call('GET', '/v1/hints?type=news')
    expect(refused.status).toBe(400)
    expect(refused.json).toMatchObject({ code: 'invalid_params' })
  })

  it('waits for the room of a reader once, however much there is to tell', async () => {
    const warnings: string[] = []
    const warn = (warning: Error) => warnings.push(warning.message)
    process.on('warning', warn)
    try {
      const stream = await openStream('/v1/hints?type=ended')
      const items = Array.from({ length: 1_000 }, () => ({ kind: 'x', lane: 'feed' }))
      const { json } = await server.call('POST', '/v1/executions:batch', { body: { items } })
      const ids = (json.items as { readonly id: ExecutionId }[]).map(({ id }) => id)
      const { executions } = server.engine.backend
      await Promise.all(ids.map((id) => executions.cancel({ namespace: defaultNamespace, id })))
      const told = (await stream.take(ids.length)).map(({ data }) => JSON.parse(data ?? '').id)
      expect(new Set(told)).toEqual(new Set(ids))
      expect(warnings).toEqual([])
      stream.close()
    } finally {
      process.off('warning', warn)
    }
  })
})

const claim = (fields: object) => ({
  claimId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c070001',
  workerId: 'w',
  instanceId: '0190a5f0-7a4c-7cc3-98c4-dc0c0c070002',
  lanes: ['polled'],
  kinds: ['x'],
  waitMs: 30_000,
  ...fields,
})

describe('a long poll', () => {
  it('is answered when work comes', async () => {
    const waiting = server.call('POST', '/v1/claims', { body: claim({}) })
    await until('the claim waits', () => server.engine.health().claimsWaiting === 1)
    const { id } = (await submit({ lane: 'polled' })).json
    expect((await waiting).json).toMatchObject({ outcome: 'claimed', leases: [{ executionId: id }] })
  })

  it('ends when its client goes away, and takes no work with it', async () => {
    const gone = new AbortController()
    const waiting = server
      .call('POST', '/v1/claims', { body: claim({}), signal: gone.signal })
      .catch(() => 'gone')
    await until('the claim waits', () => server.engine.health().claimsWaiting === 1)
    gone.abort()
    expect(await waiting).toBe('gone')
    await until('nobody waits', () => server.engine.health().claimsWaiting === 0)
    const { id } = (await submit({ lane: 'polled' })).json
    const { json } = await server.call('GET', `/v1/executions/${encodeURIComponent(String(id))}`)
    expect(json.publicState).toBe('waiting')
  })
})

describe('a shutdown', () => {
  it('ends streams and long polls at once', async () => {
    const stream = await openStream('/v1/events?from=now')
    const waiting = server.call('POST', '/v1/claims', { body: claim({}) })
    await until('the claim waits', () => server.engine.health().claimsWaiting === 1)
    const startedAt = performance.now()
    await server.server.stop()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect((await waiting).json).toMatchObject({ outcome: 'empty' })
    expect(await stream.take(1)).toEqual([])
    await expect(server.call('GET', '/healthz')).rejects.toThrow()
  })
})
