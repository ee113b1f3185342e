import { afterEach, describe, expect, it } from 'vitest'
import { createTestBackend, startMs, type TestBackend } from '../../support/backends.js'
import { codeOf, submitOne } from '../../support/builders.js'
import { inNamespace } from '../../support/use-store.js'

describe('maintenance.prepare', () => {
  let opened: TestBackend | undefined
  const open = async (partitions: number) => {
    opened = await createTestBackend({ partitions: { flow: partitions } })
    return opened.backend.maintenance
  }
  afterEach(async () => {
    await opened?.close()
    opened = undefined
  })

  it('one count for flows and executions', async () => {
    const maintenance = await open(16)
    const { partitions } = await maintenance.prepare({ partitions: { flow: 16 } })
    expect(partitions.flow).toBe(16)
    const refused = await maintenance.prepare({ partitions: { flow: 32 } }).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      code: 'partition_count_mismatch',
      details: { family: 'flow', stored: 16, configured: 32 },
    })
    expect(String(refused)).toMatch(/16.*32/)
    expect((await maintenance.describe()).partitions.flow).toBe(16)
  })

  it('is harmless when repeated, and answers the stored counts to who states none', async () => {
    const maintenance = await open(3)
    const first = await maintenance.prepare()
    expect(first).toMatchObject({ outcome: 'prepared', partitions: { flow: 3 }, virtualTime: true })
    expect(await maintenance.prepare()).toEqual(first)
  })

  it('keeps what is stored', async () => {
    const maintenance = await open(2)
    const store = inNamespace(opened as TestBackend, 'kept' as never)
    await submitOne(store)
    await maintenance.prepare()
    expect((await store.backend.executions.count({ namespace: store.namespace })).count).toBe(1)
    expect(await maintenance.serverTimeMs()).toBe(startMs)
  })

  it('refuses counts that are none', async () => {
    const maintenance = await open(2)
    for (const flow of [0, -1, 1.5, 65_536]) {
      expect(await codeOf(maintenance.prepare({ partitions: { flow } }))).toBe('invalid_partition_count')
    }
  })
})

describe("the store's clock, in a store made for tests", () => {
  let opened: TestBackend | undefined
  afterEach(async () => {
    await opened?.close()
    opened = undefined
  })

  it('stands still until it is moved, and says so', async () => {
    opened = await createTestBackend()
    const { maintenance } = opened.backend
    expect(await maintenance.serverTimeMs()).toBe(startMs)
    expect(await maintenance.advanceTime({ byMs: 1_234 })).toEqual({ nowMs: startMs + 1_234 })
    expect(await maintenance.serverTimeMs()).toBe(startMs + 1_234)
    expect((await maintenance.describe()).virtualTime).toBe(true)
    expect((await maintenance.ping()).outcome).toBe('pong')
  })

  it('runs in any other, and cannot be moved or stopped once something is stored', async () => {
    opened = await createTestBackend({ virtualTime: false })
    const { maintenance } = opened.backend
    expect(await codeOf(maintenance.advanceTime({ byMs: 1 }))).toBe('virtual_time_off')
    expect((await maintenance.describe()).virtualTime).toBe(false)
    const before = await maintenance.serverTimeMs()
    await submitOne(inNamespace(opened, 'running' as never))
    expect(await codeOf(maintenance.prepare({ virtualTime: { startMs } }))).toBe('virtual_time_refused')
    expect(await maintenance.serverTimeMs()).toBeGreaterThanOrEqual(before)
  })
})
