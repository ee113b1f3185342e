import { describe, expect, it } from 'vitest'
import { FlowDriver } from '../support/flow-driver.js'
import { useStore } from '../support/use-store.js'

describe('a hop in the step of the end that led to it', () => {
  const store = useStore()

  it('hands the next node out in the answer to the completion', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.start('a')
    await flow.complete('a')
    expect(await flow.tryStart('b')).toEqual(['b'])
  })

  it('goes on with a late completion too', async () => {
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'] } })
    await flow.start('a')
    await store().pass(600_000)
    expect(await flow.complete('a')).toBe('completed')
    expect(await flow.tryStart('b')).toEqual(['b'])
  })
})
