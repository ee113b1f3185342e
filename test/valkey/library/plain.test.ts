import { createValkeyBackend } from '@flowfabric/backend-valkey'
import {
  mintClaimId,
  mintInstanceId,
  mintSoloExecutionId,
  parseLaneId,
  parseNamespace,
  uuidOf,
} from '@flowfabric/core'
import { Redis } from 'iovalkey'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leaseOf } from '../../../packages/backend-valkey/src/admission/resource-names.js'
import { library } from '../../../packages/backend-valkey/src/generated/library.js'
import { pack, unpack } from '../../../packages/backend-valkey/src/records/packing.js'
import { createRandom } from '../../model/random.js'
import { startMs } from '../../support/backends.js'
import { chooseSeed } from '../../support/random-runs.js'
import { startValkey, type ValkeyServer } from '../../support/servers/valkey.js'
import { rounds } from '../../support/soak.js'
import { below, pick } from './wild-values.js'

const namespace = parseNamespace('plain')
const lane = parseLaneId('default')
const meta = 'ff:idx:{fp:0}:meta'
const pendingCancels = 'ff:idx:{fp:0}:pending_cancel_groups'
const origin = 'abcdefgh'
const instance = mintInstanceId()
const routes = [
  ['000000000001', JSON.stringify([namespace, lane, 'one', []]), `${namespace}/${lane}`],
  ['000000000002', JSON.stringify([namespace, lane, 'two', []]), `${namespace}/${lane}`],
]

/** No deadlines and a few of the others: `[deadline, queue TTL, attempt timeout, retention, reclaims, retry …]`. */
const policies = [
  [0, 0, 0, 0, 0, 3, 'f', 0, 2, 0, 0, []],
  [0, 0, 0, 0, 3, 5, 'e', 1000, 1.5, 60_000, 1, ['fatal', 'never']],
  [60_000, 0, 0, 0, 0, 0, 'e', 0, 0, 0, 0, []],
  [0, 0, 5_000, 0, 0, 0, 'e', 0, 0, 0, 0, []],
  [0, 0, 0, 1_001, 0, 0, 'e', 0, 0, 0, 0, []],
].map((policy) => pack(policy))

/** What names a quota and a budget, of two lines. */
const lines = ['0123456789ABCDEF0123', 'FEDCBA98765432100000']
const asks = lines.flatMap((line) =>
  [1, 300].map((cost) => {
    const quotas = [['00000000-0000-7000-8000-000000000001', `key of ${line}`, cost]]
    return pack([0, '', [line, quotas, [['00000000-0000-7000-8000-000000000002', ['cents', cost + 0.5]]]]])
  }),
)

/** Joins: kind, how many of a quorum, on decided, run on, settled, shared, ancestors. */
const joins = [
  ['a', 0, 'l', 's', 0, 0, 'c'],
  ['a', 0, 'c', 'a', 0, 0, 'c'],
  ['n', 0, 'c', 's', 0, 0, 'c'],
  ['n', 0, 'c', 's', 0, 1, 'c'],
  ['q', 1, 'l', 's', 1, 0, 'l'],
  ['a', 0, 'l', 'i', 0, 0, 'c'],
]

interface Lease {
  readonly id: string
  readonly attempt: number
  readonly lease: string
  readonly epoch: number
}

/** A call of `work`: its arguments, and the bytes that they point to. */
interface Call {
  readonly args: readonly unknown[]
  readonly bytes: readonly Uint8Array[]
  /** Edges of an end that it resolves at once. */
  readonly inline?: number
  /** Under which its answer is kept. */
  readonly request?: string
}

/** What a run must have seen of the rarer things; of others a hundred. */
const least: Readonly<Record<string, number>> = { admitted: 30, flows: 25, flowsCancelled: 0 }

type Random = ReturnType<typeof createRandom>

describe('the short way of usual executions', () => {
  let server: ValkeyServer
  let short: Redis
  let long: Redis
  beforeAll(async () => {
    server = await startValkey()
    short = new Redis(`${server.url}/0`)
    long = new Redis(`${server.url}/1`)
  })

  /** Two empty stores, one of which does not take the short way: a fault is asked for there that concerns no key. */
  const begin = async () => {
    for (const client of [short, long]) {
      await client.flushdb()
      const url = `${server.url}/${client === short ? 0 : 1}`
      const backend = createValkeyBackend({ url, partitions: { flow: 1, budget: 1, quota: 1 } })
      await backend.maintenance.prepare({ virtualTime: { startMs } })
      await backend.maintenance.close()
    }
    await long.hset(meta, 'fault', 'none ~')
    await both([short, long], 'leases_held', { args: [instance, mintClaimId(), true, false], bytes: [] })
    return { leases: [] as Lease[], ended: [] as Lease[], ids: [] as string[], flows: [] as string[] }
  }

  /** What the dispatcher does: what calls have left, and the losers of races. */
  const dispatch = async () => {
    const [one, other] = await both([short, long], 'resolution_dispatch', { args: [[], 50, 512], bytes: [] })
    expect(read(one)).toEqual(read(other))
    for (const tuple of (await short.smembers(pendingCancels)).sort()) {
      const args = [...tuple.split('|'), 50]
      await both([short, long], 'resolution_drain_siblings', { args, bytes: [] })
    }
  }

  afterAll(async () => {
    short?.disconnect()
    long?.disconnect()
    await server?.stop()
  })

  it('stores and tells what the long way does', async () => {
    const seed = chooseSeed()
    const random = createRandom(seed)
    const counts = { accepted: 0, handed: 0, completed: 0, admitted: 0, flows: 0, flowsCancelled: 0 }
    let world = await begin()
    for (let round = 0; round < rounds(6_000); round += 1) {
      // What is compared as a whole must stay small.
      if (round % 200 === 199) world = await begin()
      if (below(random, 4) === 0) {
        const flow = makeFlow(random, world)
        const [one, other] = await both([short, long], 'flows_submit', flow)
        expect(read(one), `seed ${seed}, flow of call ${round}`).toEqual(read(other))
        counts.flows += 1
      }
      if (below(random, 40) === 0 && world.flows.length > 0) {
        const args = [
          namespace,
          pick(world.flows, random),
          pick(['a', 'p'], random),
          below(random, 2) === 0,
          true,
          0,
          0,
          pick([1, 100], random),
        ]
        const [one, other] = await both([short, long], 'flows_cancel', {
          args,
          bytes: [],
          request: mintClaimId(),
        })
        expect(read(one), `seed ${seed}, cancel of call ${round}`).toEqual(read(other))
        counts.flowsCancelled += 1
      }
      const call = makeCall(random, world)
      const [one, other] = await both([short, long], 'work_work', call)
      expect(readWork(one), `seed ${seed}, call ${round}`).toEqual(readWork(other))
      note(one as readonly Uint8Array[], world, counts)
      for (const offer of offersOf(one as readonly Uint8Array[], call, random)) {
        const [here, there] = await both([short, long], 'leases_admit', offer)
        expect(read(here), `seed ${seed}, offer of call ${round}`).toEqual(read(there))
        noteAdmitted(here as readonly Uint8Array[], world, counts)
      }
      if (below(random, 4) === 0) await dispatch()
      if (below(random, 3) === 0) await both([short, long], 'admission_wake', { args: [lines], bytes: [] })
      if (round % 10 === 9) expect(await dump(short), `seed ${seed}, call ${round}`).toEqual(await dump(long))
      const pauseMs = below(random, 5) === 0 ? 1 + below(random, 900) : 0
      for (const client of [short, long]) await client.hincrby(meta, 'time', pauseMs)
    }
    expect(await dump(short)).toEqual(await dump(long))
    process.stdout.write(`plain: seed ${seed}: ${JSON.stringify(counts)}\n`)
    for (const [what, count] of Object.entries(counts))
      expect(count, what).toBeGreaterThan(least[what] ?? 100)
  }, 600_000)

  it('looks for a claim behind what another one of the call was handed', async () => {
    const world = await begin()
    const counts = { accepted: 0, handed: 0, completed: 0 }
    const names = Array.from({ length: 110 }, (_, place) => `n${place}`)
    const ids = await submit([short, long], names, [], {})
    const plainly = claimCall(['000000000001'], [], 100)
    const overTwo = claimCall(['000000000001', '000000000002'], [], 4)
    const claims = [plainly, overTwo].flatMap(({ args }) => args[4] as unknown[])
    const call = { ...plainly, args: plainly.args.with(4, claims) }
    const [one, other] = await both([short, long], 'work_work', call)
    expect(readWork(one)).toEqual(readWork(other))
    note(one as readonly Uint8Array[], world, counts)
    expect(counts.handed).toBe(104)
    expect(world.leases.slice(-4).map(({ id }) => id)).toEqual(ids.slice(100, 104))
  })

  it('tells long inputs, as many bytes at once, and hands lost ones to nobody', async () => {
    const world = await begin()
    const counts = { accepted: 0, handed: 0, completed: 0 }
    const sizes = [1_500_000, 1_500_000, 300, 1_000_000, 1_500_000, 600, 0, 1_500_000, 600]
    const bytes = sizes.map((size) => Buffer.alloc(size, 'x'))
    const items = sizes.map((_, place) => [newId(), 1, 0, 0, 0, 0, '', '', place + 1])
    // One comes twice: its input is told though it is not stored yet.
    const submitted = { args: [[], [], routes, [...items, items[5]], [], false, []], bytes }
    const [here, there] = await both([short, long], 'work_work', submitted)
    expect(readWork(here)).toEqual(readWork(there))
    const claim = async (max: number) => {
      const [one, other] = await both([short, long], 'work_work', claimCall(['000000000001'], [], max))
      expect(readWork(one)).toEqual(readWork(other))
      const before = world.leases.length
      note(one as readonly Uint8Array[], world, counts)
      return world.leases.slice(before).map(({ id }) => items.findIndex(([each]) => each === id))
    }
    expect(await claim(5)).toEqual([0, 1, 2, 3])
    for (const client of [short, long]) await client.del(`ff:exec:{fp:0}:${items[8]?.[0]}:input`)
    // The long way takes what is there, and what is not stays for people to see.
    expect(await claim(10)).toEqual([4, 5, 6, 7])
    expect(await claim(10)).toEqual([])
    expect(await dump(short)).toEqual(await dump(long))
  })

  it('hands out nothing that an end of the same call cancels', async () => {
    const world = await begin()
    const counts = { accepted: 0, handed: 0, completed: 0 }
    const race = ['n', 0, 'c', 's', 0, 0, 'c']
    const names = ['a', 'also', 'root', 'shared', 'other', 'join']
    const edges = ['root>shared', 'shared>other', 'also>other', 'a>join', 'shared>join']
    const [a = '', also = '', , , , join = ''] = await submit([short, long], names, edges, { root: 2 }, race)
    const work = async (call: Call) => {
      const [one, other] = await both([short, long], 'work_work', call)
      expect(readWork(one)).toEqual(readWork(other))
      const before = world.leases.length
      note(one as readonly Uint8Array[], world, counts)
      return world.leases.slice(before).map(({ id }) => id)
    }
    const endOf = (id: string, op: 'c' | 'f') => {
      const { attempt, lease, epoch } = world.leases.find((each) => each.id === id) as Lease
      return [id, attempt, lease, epoch, 1, op, 'never', 0, op === 'f' ? ['broken', ''] : 0, 0]
    }
    expect(await work(claimCall(['000000000001']))).toEqual([a, also])
    await work(claimCall([], [endOf(a, 'c')]))
    const [tuple = ''] = await short.smembers(pendingCancels)
    expect(tuple).toContain(join)
    await both([short, long], 'resolution_drain_siblings', { args: [...tuple.split('|'), 50], bytes: [] })
    // Now nobody needs `shared`, and with it `root`, which waits.
    expect(await work(claimCall(['000000000002'], [endOf(also, 'f')]))).toEqual([])
    expect(await dump(short)).toEqual(await dump(long))
  })
})

/** A flow of these nodes; of those that are named there with another route than the first. Answers their ids. */
async function submit(
  clients: readonly [Redis, Redis],
  names: readonly string[],
  edges: readonly string[],
  routesOf: Readonly<Record<string, number>>,
  join: readonly unknown[] = [],
): Promise<readonly string[]> {
  const links = edges.map((edge) => edge.split('>').map((name) => names.indexOf(name)) as [number, number])
  const ids = names.map(newId)
  const nodes = names.map((name, place) => {
    const ins = links.filter(([, to]) => to === place).map(([from]) => [from + 1, ''])
    const outs = links
      .filter(([from]) => from === place)
      .map(([, to]) => {
        const sources = links.filter((link) => link[1] === to).map(([from]) => from)
        return [to + 1, sources.indexOf(place) + 1]
      })
    const policy = ins.length === 0 ? 0 : name === 'join' ? join : joins[0]
    return [routesOf[name] ?? 1, 0, 0, 0, 0, '', '', 0, name, policy, ins, outs]
  })
  const head = [newId(), namespace, '', '', 0, 'shape', 'ids', '']
  await both(clients, 'flows_submit', { args: [routes, [[head, 0, ids, nodes]]], bytes: [] })
  return ids
}

/** A call that claims what waits on these routes, and brings an end before it. */
function claimCall(rids: readonly string[], ends: readonly (readonly unknown[])[] = [], max = 10): Call {
  const base = `${mintClaimId().slice(0, 14)}8${mintClaimId().slice(15, 24)}`
  const asked = [[`${namespace}/${lane}`, 0, 0, 0, 0, rids]]
  const claim = [instance, 'w', mintClaimId(), 30_000, max, base, false, asked, 1e9]
  return { args: [[[namespace]], ends, [], [], [claim], false, []], bytes: [] }
}

function both(clients: readonly [Redis, Redis], name: string, { args, bytes, inline = 64, request }: Call) {
  const header = [inline, 64, 512, 7, 3, '0', origin, ...(request === undefined ? [] : [request])]
  const call = (client: Redis) =>
    client.callBuffer(
      'FCALL',
      `${library.prefix}${name}`,
      1,
      meta,
      pack([header, args]),
      ...bytes.map((each) => Buffer.from(each)),
    )
  return Promise.all(clients.map(call))
}

/** The answer, with what it tells of routes in an order of its own. */
function read(answer: unknown) {
  const [packed, ...bytes] = answer as readonly Uint8Array[]
  const [reply, news] = unpack(packed ?? new Uint8Array(), 'an answer') as [readonly unknown[], unknown[]]
  const [nowMs, edges, ready, ...others] = news
  const pairs = (Array.isArray(ready) ? ready : []).map((each, place, all) =>
    place % 2 === 0 ? `${each} ${all[place + 1]}` : '',
  )
  // Texts, since lists of megabytes take seconds to compare.
  const texts = bytes.map((each) => Buffer.from(each).toString('latin1'))
  return { reply, texts, nowMs, edges, ready: pairs.sort(), others }
}

/** Of a call of `work`, with what is asked beside each that is offered: how often a call tells it does not matter. */
function readWork(answer: unknown) {
  const { reply, ...others } = read(answer)
  const offers = listOf(reply[4]).map(([nth, line, base, space, asks, items]) => [
    [nth, line, base, space],
    listOf(items).map(([id, number, begins, place]) => [id, number, begins, listOf(asks)[Number(place) - 1]]),
  ])
  return { reply: [...reply.slice(0, 4), offers, ...reply.slice(5)], ...others }
}

function makeCall(random: Random, world: { leases: Lease[]; ended: Lease[]; ids: string[] }): Call {
  const bytes: Uint8Array[] = []
  const place = (size: number) => bytes.push(Buffer.alloc(size, 97 + below(random, 26)))
  const payload = () => pick([0, place(0), place(1), place(100), place(512), place(513)], random)
  const items = Array.from({ length: below(random, 4) }, () => {
    const isNew = below(random, 20) > 0 || world.ids.length === 0
    const id = isNew ? newId() : pick(world.ids, random)
    world.ids.push(id)
    const policy =
      below(random, 3) === 0 ? 0 : bytes.push(pick(below(random, 2) === 0 ? asks : policies, random))
    const delay = below(random, 8) === 0 ? 1 + below(random, 2_000) : 0
    const spec = pick(['', '{"tags":{"a":"b"}}', JSON.stringify({ trace: 'x'.repeat(300) })], random)
    return [
      id,
      1 + below(random, 2),
      pick([0, 0, 1, 200, 9_000], random),
      0,
      delay,
      policy,
      spec,
      pick(['', 'hash'], random),
      payload(),
    ]
  })
  const ends = Array.from({ length: Math.min(below(random, 5), world.leases.length) }, () => {
    const known =
      below(random, 8) === 0 && world.ended.length > 0
        ? pick(world.ended, random)
        : pick(world.leases, random)
    const { id, attempt } = known
    const lease = below(random, 15) === 0 ? newId() : known.lease
    const epoch = below(random, 15) === 0 ? known.epoch + 1 : known.epoch
    const space = below(random, 15) === 0 ? 2 : 1
    if (below(random, 5) === 0) {
      return [
        id,
        attempt,
        lease,
        epoch,
        space,
        'f',
        pick(['policy', 'never'], random),
        0,
        ['broken', 'it broke'],
        0,
      ]
    }
    return [id, attempt, lease, epoch, space, 'c', '', 0, 0, payload()]
  })
  const claims = Array.from({ length: pick([0, 0, 0, 1, 1, 1, 2], random) }, () => {
    const rids = pick([['000000000001'], ['000000000002'], ['000000000001', '000000000002']], random)
    const base = `${mintClaimId().slice(0, 14)}8${mintClaimId().slice(15, 24)}`
    const asked = [[`${namespace}/${lane}`, 0, 0, 0, 0, rids]]
    return [
      instance,
      pick(['w', 'worker'.repeat(8)], random),
      mintClaimId(),
      30_000,
      1 + below(random, 6),
      base,
      false,
      asked,
      1e9,
    ]
  })
  const spaces = [[namespace], ['another']]
  return {
    args: [spaces, ends, items.length === 0 ? [] : routes, items, claims, below(random, 2) === 0, []],
    bytes,
    inline: pick([64, 64, 64, 1, 0], random),
  }
}

const newId = () => uuidOf(mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 }))

/** Small graphs in which each node may wait for some of those before it, as a call of `submit`. */
function makeFlow(random: Random, world: { ids: string[]; flows: string[] }): Call {
  const bytes: Uint8Array[] = []
  const flows = range(1 + below(random, 2)).map(() => makeGraph(random, world, bytes))
  return { args: [routes, flows], bytes, inline: pick([64, 1], random) }
}

function makeGraph(random: Random, world: { ids: string[]; flows: string[] }, bytes: Uint8Array[]) {
  const ids = Array.from({ length: 1 + below(random, 6) }, newId)
  const ins = ids.map((_, place) =>
    below(random, 3) === 0 ? [] : range(place).filter(() => below(random, 2) === 0),
  )
  const nodes = ids.map((_, place) => {
    const waitsFor = ins[place] ?? []
    const names = below(random, 4) === 0 ? (from: number) => `from ${from}` : () => ''
    const outs = ins.flatMap((list, to) => (list.includes(place) ? [[to + 1, list.indexOf(place) + 1]] : []))
    const size = pick([-1, 0, 100, 513], random)
    return [
      1 + below(random, 2),
      pick([0, 0, 200], random),
      0,
      below(random, 8) === 0 ? 1 + below(random, 2_000) : 0,
      below(random, 3) === 0 ? unpack(pick(below(random, 4) === 0 ? asks : policies, random), 'policies') : 0,
      pick(['', '{"tags":{"a":"b"}}'], random),
      pick(['', 'hash'], random),
      size < 0 ? 0 : bytes.push(Buffer.alloc(size, 97 + below(random, 26))),
      pick(['', `node ${place}`, `é${place}`, 'n'.repeat(200), 'n'.repeat(300)], random),
      waitsFor.length === 0 ? 0 : pick(joins, random),
      waitsFor.map((from) => [from + 1, names(from)]),
      outs,
    ]
  })
  const flow = newId()
  world.flows.push(flow)
  world.ids.push(...ids)
  const head = [
    flow,
    namespace,
    pick(['', 'named'], random),
    '',
    pick([0, 0, 5_000], random),
    'shape',
    'ids',
    '',
  ]
  return [head, 0, ids, nodes]
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, place) => place)
}

function note(
  [packed, ...bytes]: readonly Uint8Array[],
  world: { leases: Lease[]; ended: Lease[] },
  counts: { accepted: number; handed: number; completed: number },
): void {
  const [[ended, accepted, claimed]] = unpack(packed ?? new Uint8Array(), 'an answer') as [
    readonly (readonly unknown[][])[],
  ]
  counts.accepted += listOf(accepted).filter(([word]) => word === 'a').length
  counts.completed += listOf(ended).filter(([word]) => word === 'completed').length
  for (const handed of listOf(claimed)) counts.handed += noteHanded(handed, bytes, world)
  while (world.leases.length > 40) world.ended.push(world.leases.shift() as Lease)
  while (world.ended.length > 40) world.ended.shift()
}

function noteHanded(list: unknown, bytes: readonly Uint8Array[], world: { leases: Lease[] }): number {
  const handed = listOf(list) as [string, number][]
  for (const [id, record] of handed) {
    const stored = Buffer.from(bytes[record - 1] ?? [])
    const fields = unpack(stored.subarray(4, 4 + stored.readUInt32BE(0)), 'a record') as unknown[]
    const attempt = fields.find((field) => Array.isArray(field) && field.length === 22) as unknown[]
    world.leases.push({
      id,
      attempt: Number(attempt[0]),
      lease: String(attempt[14]),
      epoch: Number(attempt[7]),
    })
  }
  return handed.length
}

/** What became of the heads of lines that a call offered: all, or some of them with the next one refused. */
function offersOf([packed]: readonly Uint8Array[], { args }: Call, random: Random): readonly Call[] {
  const [reply] = unpack(packed ?? new Uint8Array(), 'an answer') as [readonly unknown[]]
  return listOf(reply[4]).map((offer) => {
    const [nth, line, base, , , items] = offer as [
      number,
      string,
      string,
      string,
      unknown,
      [string, number][],
    ]
    const [instanceId, worker, claimId, ttlMs] = (args[4] as readonly unknown[][])[nth - 1] ?? []
    const count = below(random, 3) === 0 ? below(random, items.length + 1) : items.length
    const refused = items[count]
    return {
      args: [
        line,
        base,
        [instanceId, worker, claimId, ttlMs],
        items.slice(0, count).map(([id, number]) => [id, leaseOf(base, number)]),
        [],
        refused === undefined ? [] : [[refused[0], 'q', 'a quota', 'a key', 'a waiter']],
        [],
      ],
      bytes: [],
    }
  })
}

function noteAdmitted(
  [packed, ...bytes]: readonly Uint8Array[],
  world: { leases: Lease[] },
  counts: { admitted: number },
): void {
  const [[, handed]] = unpack(packed ?? new Uint8Array(), 'an answer') as [readonly unknown[]]
  counts.admitted += noteHanded(handed, bytes, world)
}

function listOf(list: unknown): readonly unknown[][] {
  return Array.isArray(list) ? list : []
}

/** All that is stored, by key; without what tells the two ways apart, and the order of what is kept until the same second. */
async function dump(client: Redis): Promise<Record<string, unknown>> {
  const keys = (await client.keys('*')).sort()
  const read = async (key: string): Promise<unknown> => {
    switch (await client.type(key)) {
      case 'hash': {
        const { fault: _, ...fields } = await client.hgetall(key)
        return fields
      }
      case 'zset':
        return client.zrange(key, 0, -1, 'WITHSCORES')
      case 'list':
        return (await client.lrange(key, 0, -1)).sort()
      case 'stream':
        return client.xrangeBuffer(key, '-', '+')
      case 'set':
        return (await client.smembers(key)).sort()
      default:
        return (await client.getBuffer(key))?.toString('latin1')
    }
  }
  const values = await Promise.all(keys.map(read))
  return Object.fromEntries(keys.map((key, index) => [key, values[index]]))
}
