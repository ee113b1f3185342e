import { parseNamespace, partitionIndexOf, uuidOf } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { library } from '../../../packages/backend-valkey/src/generated/library.js'
import { pack, unpack } from '../../../packages/backend-valkey/src/records/packing.js'
import { createTestBackend } from '../../support/backends.js'
import { readOne, submitOne } from '../../support/builders.js'
import { inNamespace } from '../../support/use-store.js'

describe('a call that is sent again since its answer was lost', () => {
  it.each([
    ['executions_cancel', [0], ['cancelled']],
    ['executions_hold', [], ['held']],
  ])('%s is answered the same, and done once', async (name, args, answer) => {
    const opened = await createTestBackend({ name: 'valkey' })
    try {
      const store = inNamespace(opened, parseNamespace('repeated'))
      const { inside } = opened
      if (!('send' in inside)) throw new Error('not a Valkey store')
      const id = await submitOne(store)
      const key = `${inside.keyPrefix}:idx:{fp:${partitionIndexOf(id)}}:meta`
      const send = async (request: string) => {
        const header = [64, 64, 512, 7, 0, '0', 'abcdefgh', request]
        const packed = pack([header, [store.namespace, uuidOf(id), ...args]])
        const [reply] = (await inside.send('FCALL', `${library.prefix}${name}`, 1, key, packed)) as Buffer[]
        return unpack(reply ?? Buffer.alloc(0), 'the answer') as readonly unknown[]
      }
      const first = await send('00-01')
      expect(first[0]).toEqual(answer)
      const once = await readOne(store, id)
      expect(await send('00-01')).toEqual(first)
      expect(await readOne(store, id)).toEqual(once)
      expect((await send('00-02'))[0]).not.toEqual(answer)
    } finally {
      await opened.close()
    }
  })
})
