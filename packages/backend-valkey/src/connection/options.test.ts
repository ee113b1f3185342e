import { describe, expect, it } from 'vitest'
import { type ConnectionOptions, readConnectionSettings } from './options.js'

const at = (host: string, port = 6_379) => ({ host, port })

describe('the settings of a connection', () => {
  it('are filled in', () => {
    expect(readConnectionSettings({ url: 'valkey://localhost' })).toEqual({
      seeds: [at('localhost')],
      isCluster: false,
      username: undefined,
      password: undefined,
      tls: undefined,
      db: 0,
      connectTimeoutMs: 5_000,
      callTimeoutMs: 5_000,
      retryForMs: 3_000,
      durability: undefined,
    })
  })

  it.each<[ConnectionOptions, object]>([
    [{ url: 'redis://10.0.0.1:7000/3' }, { seeds: [at('10.0.0.1', 7_000)], db: 3, tls: undefined }],
    [{ url: 'valkeys://a.example' }, { tls: {} }],
    [
      { url: 'rediss://u:p%40ss@[::1]:1/' },
      { seeds: [at('::1', 1)], username: 'u', password: 'p@ss', tls: {} },
    ],
    [{ url: 'valkey://:secret@h' }, { username: undefined, password: 'secret' }],
    [
      { url: 'valkey://h', password: 'secret', db: 4 },
      { password: 'secret', db: 4 },
    ],
    [{ url: 'valkey://h', tls: true }, { tls: {} }],
    [{ url: 'valkeys://h', tls: { servername: 's' } }, { tls: { servername: 's' } }],
    [
      { nodes: ['a:1', { host: 'b', port: 2 }, '[::1]:3'] },
      { seeds: [at('a', 1), at('b', 2), at('::1', 3)] },
    ],
    [{ nodes: ['a:1'], cluster: true }, { isCluster: true }],
    [{ url: 'valkey://h', retryForMs: 1 }, { retryForMs: 1 }],
  ])('%j', (options, settings) => {
    expect(readConnectionSettings(options)).toMatchObject(settings)
  })

  it('keep what durability asks for', () => {
    const durability = {
      for: ['terminal' as const],
      aof: { local: 1 as const, replicas: 1 },
      timeoutMs: 2_000,
    }
    expect(readConnectionSettings({ url: 'valkey://h', durability }).durability).toEqual(durability)
  })

  const url = 'valkey://h'
  it.each<[string, unknown]>([
    ['no address', {}],
    ['two addresses', { url, nodes: ['a:1'] }],
    ['no nodes', { nodes: [] }],
    ['a node without a port', { nodes: ['a'] }],
    ['a node without a host', { nodes: [':1'] }],
    ['a port out of range', { nodes: ['a:70000'] }],
    ['another scheme', { url: 'http://h' }],
    ['no URL', { url: 'localhost:6379' }],
    ['a path that is no number', { url: 'valkey://h/a' }],
    ['a query', { url: 'valkey://h?timeout=1' }],
    ['a broken escape', { url: 'valkey://u:%zz@h' }],
    ['two passwords', { url: 'valkey://:a@h', password: 'b' }],
    ['two databases', { url: 'valkey://h/1', db: 1 }],
    ['a user without a password', { url, username: 'u' }],
    ['a database of a Cluster', { url, cluster: true, db: 1 }],
    ['a negative database', { url, db: -1 }],
    ['TLS asked for and turned off', { url: 'valkeys://h', tls: false }],
    ['no time to connect', { url, connectTimeoutMs: 0 }],
    ['a broken number', { url, callTimeoutMs: Number.NaN }],
    ['durability of nothing', { url, durability: { for: [], replicas: 1, timeoutMs: 1 } }],
    ['durability of something else', { url, durability: { for: ['claim'], replicas: 1, timeoutMs: 1 } }],
    ['durability by nothing', { url, durability: { for: ['submit'], timeoutMs: 1 } }],
    [
      'durability on no disk',
      { url, durability: { for: ['submit'], aof: { local: 0, replicas: 0 }, timeoutMs: 1 } },
    ],
    ['durability without replicas', { url, durability: { for: ['submit'], replicas: 0, timeoutMs: 1 } }],
    ['durability without a limit', { url, durability: { for: ['submit'], replicas: 1 } }],
  ])('are refused: %s', (_, options) => {
    expect(() => readConnectionSettings(options as ConnectionOptions)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration' }),
    )
  })

  it('are refused without repeating a password', () => {
    const urls = [
      'valkey://u:hunter2@h/x',
      'http://u:hunter2@h',
      'valkey://u:hunter2@h?a',
      'valkey:// hunter2 @',
    ]
    for (const each of urls) {
      expect(() => readConnectionSettings({ url: each })).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
      )
    }
  })
})
