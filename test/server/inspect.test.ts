import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeExecutionId, mintUuid } from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStorePlace, type StorePlace } from '../support/store-place.js'
import { type RunningDev, runCommand, startDev } from './support/command-line.js'

/**
 * `flowfabric inspect` on whatever store: its form is the store's own, what it has to tell is not. The server is stopped
 * before, since a folder is for one process at a time.
 */
let folder: string
let place: StorePlace
let ids: Readonly<Record<'failing' | 'joined', string>>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowfabric-inspect-'))
  place = await createStorePlace()
  await place.furnish(join(folder, '.flowfabric'))
  const dev = await startDev(folder, place.env)
  try {
    ids = await runFlow(dev)
  } finally {
    dev.stop()
    await dev.ended
  }
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await place.remove()
})

/** Two nodes, of which the first has failed once and is delayed. */
async function runFlow({ url }: RunningDev) {
  const token = (await readFile(join(folder, '.flowfabric', 'token'), 'utf8')).trim()
  const post = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const answer = (await response.json()) as Record<string, unknown>
    if (!response.ok) throw new Error(`${path} answered ${JSON.stringify(answer)}`)
    return answer
  }
  const retry = { maxAttempts: 3, backoff: { initialMs: 600_000, maxMs: 600_000 } }
  const { flowId } = await post('/v1/flows', {
    nodes: [
      { name: 'failing', kind: 'inspected', lane: 'looks', input: { text: 'a-payload' }, retry },
      { name: 'joined', kind: 'inspected', lane: 'looks' },
    ],
    edges: [{ from: 'failing', to: 'joined', as: 'upstream' }],
  })
  const claimed = await post('/v1/claims', {
    claimId: mintUuid(),
    workerId: 'looker',
    instanceId: mintUuid(),
    lanes: ['looks'],
    kinds: ['inspected'],
    waitMs: 10_000,
  })
  const [lease] = claimed.leases as { handle: string; executionId: string }[]
  const failure = { category: 'handler_error', message: 'no-good' }
  const failed = await post('/v1/leases/fail', { items: [{ handle: lease?.handle, failure }] })
  expect(failed).toMatchObject({ items: [{ outcome: 'retrying' }] })
  const response = await fetch(`${url}/v1/flows/${String(flowId)}/graph`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const { items } = (await response.json()) as { items: { execution: { id: string; name: string } }[] }
  return Object.fromEntries(items.map(({ execution: { name, id } }) => [name, id])) as typeof ids
}

const inspect = (id: string, ...flags: readonly string[]) =>
  runCommand(folder, ['inspect', id, ...flags], place.env)

describe('flowfabric inspect', () => {
  it('tells all that is stored of an execution: state, attempt, route, and where its edges lead', async () => {
    const { code, out } = await inspect(ids.failing)
    expect(code).toBe(0)
    for (const told of ['looks', 'inspected', 'looker', 'no-good', 'delayed', uuidOf(ids.joined)]) {
      expect(out).toContain(told)
    }
    // Payloads are told by their size.
    expect(out).not.toContain('a-payload')
  })

  it('tells the group of a node, and its upstreams', async () => {
    const { out } = await inspect(ids.joined, '--json')
    expect(JSON.parse(out)).toMatchObject({ id: ids.joined })
    for (const told of ['waiting_children', 'upstream', uuidOf(ids.failing)]) expect(out).toContain(told)
  })

  it('takes an id as it stands in an address', async () => {
    const plain = ids.failing.replace(/^\{fp:(\d+)\}:/, 'fp-$1-')
    expect((await inspect(plain)).out).toContain(ids.failing)
  })

  it('ends with its own exit code for what is not there, and for what is no id', async () => {
    const nothing = makeExecutionId(0, mintUuid())
    expect(await inspect(nothing)).toMatchObject({
      code: 4,
      err: expect.stringContaining('execution_not_found'),
    })
    expect(await inspect('7')).toMatchObject({
      code: 2,
      err: expect.stringContaining('invalid_execution_id'),
    })
  })
})

const uuidOf = (id: string) => id.slice(-36)
