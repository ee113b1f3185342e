import { describe, expect, it } from 'vitest'
import type { Reply } from './command.js'
import { readShards, readSlots } from './shards.js'

/** As a server sends it: texts are bytes. */
function asReply(value: unknown): Reply {
  if (Array.isArray(value)) return value.map(asReply)
  return typeof value === 'string' ? Buffer.from(value) : (value as Reply)
}

const node = (port: number, role = 'master', more: readonly unknown[] = []) => [
  'id',
  `node-${port}`,
  'port',
  port,
  'ip',
  '10.0.0.1',
  'endpoint',
  '10.0.0.1',
  'role',
  role,
  'replication-offset',
  0,
  'health',
  'online',
  ...more,
]
const shard = (slots: readonly number[], ...nodes: readonly unknown[]) => ['slots', slots, 'nodes', nodes]
const read = (...shards: readonly unknown[]) => readShards(asReply(shards), 'asked', false)
const at = (port: number, host = '10.0.0.1') => ({ host, port })

describe('the reply of CLUSTER SHARDS', () => {
  it('says who serves which slot', () => {
    const view = read(
      shard([0, 5, 10, 16_383], node(2, 'slave'), node(1)),
      shard([6, 9], node(3), node(4, 'slave')),
    )
    expect(view?.primaries).toEqual([at(1), at(3)])
    const owners = view?.owners ?? new Int16Array()
    expect([owners[0], owners[5], owners[6], owners[9], owners[10], owners[16_383]]).toEqual([
      0, 0, 1, 1, 0, 0,
    ])
  })

  it('lists a primary without slots, and leaves slots that nobody serves open', () => {
    const view = read(shard([3, 3], node(1)), shard([], node(9)))
    expect(view?.primaries).toEqual([at(1), at(9)])
    expect([view?.owners[2], view?.owners[3]]).toEqual([-1, 0])
  })

  it('prefers the primary that took over to the one that failed, and a failed one to none', () => {
    const failed = node(1, 'master', ['health', 'fail'])
    expect(read(shard([0, 1], failed, node(2)))?.primaries).toEqual([at(2)])
    expect(read(shard([0, 1], failed, node(2, 'slave')))?.primaries).toEqual([at(1)])
  })

  it('takes the host that was asked for a node that keeps its own to itself, and the port for TLS with TLS', () => {
    const hidden = node(1, 'master', ['endpoint', '?', 'tls-port', 7])
    expect(readShards(asReply([shard([0, 1], hidden)]), 'asked', true)?.primaries).toEqual([at(7, 'asked')])
    expect(read(shard([0, 1], node(1, 'master', ['endpoint', ''])))?.primaries).toEqual([at(1, 'asked')])
    expect(read(shard([0, 1], node(1, 'master', ['endpoint', null])))?.primaries).toEqual([at(1, 'asked')])
  })

  it('says nothing when it knows of no slot or is something else', () => {
    expect(read()).toBeUndefined()
    expect(read(shard([], node(1)))).toBeUndefined()
    expect(readShards(Buffer.from('OK'), 'asked', false)).toBeUndefined()
    expect(read(shard([0, 20_000], node(1)))).toBeUndefined()
  })
})

describe('the reply of CLUSTER SLOTS', () => {
  it('says the same', () => {
    const reply = asReply([
      [0, 5, ['10.0.0.1', 1, 'id', []], ['10.0.0.1', 2, 'id', []]],
      [6, 16_383, ['', 3, 'id', []]],
      [7, 7, ['10.0.0.1', 1, 'id', []]],
    ])
    const view = readSlots(reply, 'asked')
    expect(view?.primaries).toEqual([at(1), at(3, 'asked')])
    expect([view?.owners[5], view?.owners[6], view?.owners[7]]).toEqual([0, 1, 0])
    expect(readSlots([], 'asked')).toBeUndefined()
  })
})
