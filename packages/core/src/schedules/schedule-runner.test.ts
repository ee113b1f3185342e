import { describe, expect, it } from 'vitest'
import { mintScheduleId, mintUuid } from '../ids/index.js'
import { parseKind, parseLaneId, parseNamespace } from '../names.js'
import { readPartitionConfig } from '../partitions/index.js'
import { createScheduleOperations } from './schedule-operations.js'
import type { ScheduleParts } from './schedule-parts.js'
import type { FullScheduleRow, ScheduleStore } from './schedule-store.js'

const everyMs = 1_000
const namespace = parseNamespace('slow')

/** A store in which every write takes so long, and what is started too. */
function slowParts(writeMs: number) {
  let nowMs = 100_000
  let row: FullScheduleRow | undefined
  const writes: { readonly mayBeLost: boolean }[] = []
  const started: string[] = []
  const store: ScheduleStore = {
    read: async () => ({ nowMs, row }),
    async write({ expected, put, mayBeLost = false, ...change }) {
      nowMs += writeMs
      writes.push({ mayBeLost })
      row = { label: '', definition: '', work: '', ...row, ...put, ...change, version: (expected ?? 0) + 1 }
      return true
    },
    remove: async () => false,
    due: async () => ({ nowMs, rows: row === undefined ? [] : [row], nextDueAtMs: null }),
    list: async () => [],
  }
  const parts = {
    store,
    executions: {
      async submit({ items }: { readonly items: readonly { readonly id: string }[] }) {
        started.push(...items.map(({ id }) => id))
        return { items: items.map(({ id }) => ({ outcome: 'accepted', id })) }
      },
      getResult: async ({ ids }: { readonly ids: readonly string[] }) => ({
        items: ids.map(() => ({ outcome: 'pending' })),
      }),
    },
    partitions: async () => readPartitionConfig({ flow: 1, budget: 1, quota: 1 }),
    announce: () => {},
  } as unknown as ScheduleParts
  const advance = (byMs: number) => {
    nowMs += byMs
  }
  return { schedules: createScheduleOperations(parts), writes, started, advance }
}

describe('a runner of schedules', () => {
  const put = async (writeMs: number, overlap: 'allow_all' | 'skip') => {
    const slow = slowParts(writeMs)
    const spec = { kind: parseKind('work'), lane: parseLaneId('slow'), input: null }
    await slow.schedules.put({
      namespace,
      scheduleId: mintScheduleId(),
      label: mintUuid(),
      timing: { kind: 'interval', everyMs },
      overlap,
      work: { kind: 'execution', spec },
    })
    slow.writes.length = 0
    return slow
  }
  const pass = ({ schedules }: ReturnType<typeof slowParts>) =>
    schedules.fireDue({ partition: '{q:0}' as never, max: 100 })

  it('leaves to its next pass what is due meanwhile, so that others of this one need not wait', async () => {
    // Each round of it takes so long that the next ticks are due then.
    const slow = await put(2 * everyMs, 'allow_all')
    slow.advance(3 * everyMs)
    const { items, nextDueAtMs } = await pass(slow)
    expect(slow.writes).toHaveLength(2)
    expect(items.length).toBe(slow.started.length)
    // It comes at once.
    const again = await pass(slow)
    expect(again.items[0]?.tickMs).toBe(nextDueAtMs)
  })

  it('waits for durability only of what decides over later ticks', async () => {
    const free = await put(1, 'allow_all')
    free.advance(everyMs)
    await pass(free)
    expect(free.writes).toEqual([{ mayBeLost: true }, { mayBeLost: true }])
    const skipping = await put(1, 'skip')
    skipping.advance(everyMs)
    await pass(skipping)
    expect(skipping.writes).toEqual([{ mayBeLost: false }, { mayBeLost: true }])
    // A tick that is left out starts nothing.
    skipping.writes.length = 0
    skipping.advance(everyMs)
    await pass(skipping)
    expect(skipping.writes).toEqual([{ mayBeLost: true }])
  })
})
