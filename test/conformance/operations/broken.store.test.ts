import { parseLaneId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { replaceProgress } from '../../support/broken-records.js'
import { codeOf } from '../../support/builders.js'
import { OperationDriver, submitSolos } from '../../support/operation-driver.js'
import { useStore } from '../../support/use-store.js'

const lane = parseLaneId('bulk')

describe('a bulk operation whose record does not decode', () => {
  const store = useStore()
  const begin = () => OperationDriver.begin(store(), { kind: 'cancel', filter: { lane } })

  it.each(['{"state":"run"}', 'no json', 'null'])(
    'as %s: is told as corruption, is put off, and holds up no other',
    async (text) => {
      await submitSolos(store(), 2, { lane })
      const broken = await begin()
      const sound = await begin()
      const whole = await replaceProgress(store().opened, 'operation', broken.id, text)
      const { operations } = store().backend
      const { items } = await operations.advance({ partition: sound.partition, max: 100 })
      expect(items.map(({ operationId, outcome, code }) => [operationId, outcome, code])).toEqual(
        expect.arrayContaining([
          [broken.id, 'error', 'corruption'],
          [sound.id, 'completed', undefined],
        ]),
      )
      expect(await broken.advance()).toBeUndefined()
      expect(await codeOf(broken.read())).toBe('corruption')
      expect(await codeOf(operations.pause(broken.name))).toBe('corruption')
      // Once it is mended it goes on by itself.
      await replaceProgress(store().opened, 'operation', broken.id, whole)
      await store().advance(60_000)
      expect(await broken.run()).toMatchObject({ state: 'completed', total: 0 })
    },
  )
})
