import { describe, expect, it } from 'vitest'
import { checkServer, noteOf, readFacts } from './checks.js'

function infoOf(fields: Record<string, string>): string {
  const all = {
    redis_version: '7.2.4',
    valkey_version: '8.0.1',
    server_mode: 'standalone',
    run_id: 'abc',
    maxmemory_policy: 'noeviction',
    role: 'master',
    connected_slaves: '2',
    loading: '0',
    aof_enabled: '1',
    ...fields,
  }
  const lines = Object.entries(all).flatMap(([name, value]) => (value === '' ? [] : `${name}:${value}`))
  return ['# Server', ...lines, ''].join('\r\n')
}

const check = (fields: Record<string, string>, demands = { isCluster: false, needsAof: false }) =>
  checkServer('h:1', readFacts(infoOf(fields)), demands)

describe('what a server says of itself', () => {
  it('is read', () => {
    expect(readFacts(infoOf({}))).toEqual({
      product: 'valkey',
      version: '8.0.1',
      runId: 'abc',
      role: 'primary',
      followers: 2,
      isCluster: false,
      isLoading: false,
      hasAof: true,
      evictionPolicy: 'noeviction',
    })
    expect(readFacts(infoOf({ role: 'slave', loading: '1', server_mode: 'cluster' }))).toMatchObject({
      role: 'replica',
      isLoading: true,
      isCluster: true,
    })
  })

  it('tells a Redis from a Valkey that is compatible with one', () => {
    const redis = readFacts(infoOf({ valkey_version: '', server_mode: '', redis_mode: 'cluster' }))
    expect(redis).toMatchObject({ product: 'redis', version: '7.2.4', isCluster: true })
    expect(noteOf(redis)).toContain('not supported')
    expect(noteOf(readFacts(infoOf({})))).toBeUndefined()
  })
})

describe('a server', () => {
  it.each<[Record<string, string>]>([
    [{ valkey_version: '7.2.0' }],
    [{ valkey_version: '9.1.2' }],
    [{ valkey_version: '10.0.0' }],
    [{ valkey_version: '', redis_version: '7.0.15' }],
  ])('is taken: %j', (fields) => {
    expect(() => check(fields)).not.toThrow()
  })

  it.each<[Record<string, string>, RegExp]>([
    [{ valkey_version: '7.0.9' }, /valkey 7\.0\.9/],
    [{ valkey_version: '', redis_version: '6.2.14' }, /redis 6\.2\.14/],
    [{ valkey_version: '', redis_version: '' }, /unknown/],
    [{ maxmemory_policy: 'allkeys-lru' }, /maxmemory-policy allkeys-lru/],
    [{ maxmemory_policy: 'volatile-ttl' }, /noeviction/],
    [{ maxmemory_policy: '' }, /unknown/],
  ])('is refused as unsupported: %j', (fields, message) => {
    expect(() => check(fields)).toThrow(
      expect.objectContaining({ code: 'store_unsupported', message: expect.stringMatching(message) }),
    )
  })

  it('is refused when it is not what was configured', () => {
    const refusal = expect.objectContaining({ code: 'invalid_configuration' })
    expect(() => check({ server_mode: 'cluster' })).toThrow(refusal)
    expect(() => check({}, { isCluster: true, needsAof: false })).toThrow(refusal)
    expect(() => check({ aof_enabled: '0' }, { isCluster: false, needsAof: true })).toThrow(refusal)
    expect(() => check({ aof_enabled: '1' }, { isCluster: false, needsAof: true })).not.toThrow()
  })
})
