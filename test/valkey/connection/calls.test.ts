import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTestValkey } from '../../support/servers/test-valkey.js'
import { startValkey } from '../../support/servers/valkey.js'
import { again, callOnKey, connect, once, readCount } from './connect.js'

async function connectToStore() {
  const store = await createTestValkey()
  onTestFinished(() => store.drop())
  return connect({ url: store.url })
}

const library = `#!lua name=connection_calls
redis.register_function('connection_calls_refuse', function() return redis.error_reply('FF stale_lease {"epoch":2}') end)
redis.register_function('connection_calls_raise', function() error({ err = 'FF corruption the record' }) end)
redis.register_function('connection_calls_nested', function(keys) return { 1, false, { keys[1], {} } } end)`

describe('a call', () => {
  it('carries any bytes there and back, and keeps a store in its database', async () => {
    const connection = await connectToStore()
    const bytes = Buffer.from(Array.from({ length: 512 }, (_, index) => index % 256))
    await callOnKey(connection, ['SET', 'bytes', new Uint8Array(bytes)])
    expect(await callOnKey(connection, ['GET', 'bytes'])).toEqual(bytes)
    await callOnKey(connection, ['SET', 'text', 'ä\r\n$'])
    expect(String(await callOnKey(connection, ['GET', 'text']))).toBe('ä\r\n$')
    await callOnKey(connection, ['SET', 'empty', new Uint8Array()])
    expect(await callOnKey(connection, ['GET', 'empty'])).toEqual(Buffer.alloc(0))
    expect(await callOnKey(connection, ['INCRBY', 'number', 7])).toBe(7)
    expect(await callOnKey(connection, ['GET', 'nothing'])).toBeNull()
    const other = await connectToStore()
    expect(await callOnKey(other, ['GET', 'bytes'])).toBeNull()
  })

  it('goes out with all others of its tick in one write', async () => {
    // Its own server, since all reads of it are counted.
    const server = await startValkey()
    onTestFinished(() => server.stop())
    const connection = await connect({ url: server.url })
    const before = await readCount(connection, 'stats', 'total_reads_processed')
    const calls = Array.from({ length: 100 }, (_, index) =>
      callOnKey(connection, ['SET', `key:${index}`, index]),
    )
    // Also what a promise of the same tick brings.
    calls.push(Promise.resolve().then(() => callOnKey(connection, ['SET', 'key:last', 'x'])))
    await Promise.all(calls)
    const after = await readCount(connection, 'stats', 'total_reads_processed')
    // Its own question is one of them, and what the connection asks now and then.
    expect(after - before).toBeLessThan(6)
  })

  it('hands on what our library answers, and that a node does not have it', async () => {
    const connection = await connectToStore()
    await connection.callAll(['FUNCTION', 'LOAD', 'REPLACE', library], again)
    const fcall = (name: string) => connection.call(0, ['FCALL', `connection_calls_${name}`, 1, 'k'], again)
    expect(await fcall('nested')).toEqual([1, null, [Buffer.from('k'), []]])
    const [node] = connection.primaries()
    await expect(fcall('refuse')).rejects.toMatchObject({
      name: 'FunctionFault',
      code: 'stale_lease',
      details: { epoch: 2 },
      node: node?.name,
      mayHaveCommitted: false,
    })
    await expect(fcall('raise')).rejects.toMatchObject({ code: 'corruption', detail: 'the record' })
    await expect(fcall('absent')).rejects.toMatchObject({
      code: 'function_not_found',
      message: expect.stringContaining('Function not found'),
    })
  })

  it('is refused with a code that says what is wrong', async () => {
    const connection = await connectToStore()
    await callOnKey(connection, ['SET', 'text', 'x'])
    await expect(callOnKey(connection, ['LPUSH', 'text', 'y'])).rejects.toMatchObject({ code: 'corruption' })
    const refused = callOnKey(connection, ['INCRBY', 'text', 'payload'], once)
    await expect(refused).rejects.toMatchObject({ code: 'internal_error' })
    // People's payloads don't get into errors.
    const shown = await refused.catch((error: unknown) => inspect(error, { depth: 10 }))
    expect(shown).toContain('ReplyError')
    expect(shown).not.toContain('payload')
    await expect(connection.callOn('nobody:1', ['PING'], again)).rejects.toMatchObject({
      code: 'store_unreachable',
    })
  })

  it('is refused when the connection was closed, after those before it have ended', async () => {
    const connection = await connectToStore()
    const last = callOnKey(connection, ['SET', 'last', 'x'])
    const closing = connection.close()
    await expect(callOnKey(connection, ['SET', 'late', 'x'])).rejects.toMatchObject({ code: 'closed' })
    expect(String(await last)).toBe('OK')
    await closing
  })
})
