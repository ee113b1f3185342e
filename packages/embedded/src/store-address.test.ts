import { describe, expect, it } from 'vitest'
import { describeAddress, readStoreAddress } from './store-address.js'

describe('a store’s address', () => {
  it.each([
    [':memory:', 'memory', ':memory:'],
    ['./.flowfabric', 'folder', './.flowfabric'],
    ['/var/lib/a:b', 'folder', '/var/lib/a:b'],
    ['C:\\data', 'folder', 'C:\\data'],
    ['postgres://me:secret@host:5432/db?x=1', 'postgres', 'postgres://me@host:5432/db?x=1'],
    ['postgresql://host/db', 'postgres', 'postgresql://host/db'],
    ['valkey://me:secret@host:6379/2', 'valkey', 'valkey://me@host:6379/2'],
    ['valkeys://:secret@host', 'valkey', 'valkeys://@host'],
    ['redis://host', 'valkey', 'redis://host'],
  ])('%s is of kind %s, shown as %s', (store, kind, shown) => {
    const address = readStoreAddress(store)
    expect(address.kind).toBe(kind)
    expect(describeAddress(address)).toBe(shown)
  })

  it.each(['', 'mysql://host/db'])('%j is refused', (store) => {
    expect(() => readStoreAddress(store)).toThrow(expect.objectContaining({ code: 'invalid_configuration' }))
  })
})
