import { defineFlow, defineTask, type } from '@flowfabric/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { until } from '../support/until.js'
import { type RunningEngine, useEngine } from './running-engine.js'

const startEngine = useEngine()
let running: RunningEngine
beforeEach(async () => {
  running = await startEngine()
})
afterEach(async () => {
  const { schedules } = running.client
  for (const { id } of (await schedules.list()).items) await schedules.delete(id)
  await running.close()
})

/** The ticks that handlers were started by, as they see them. */
const seen: { readonly tickMs: number; readonly input: unknown }[] = []
beforeEach(() => {
  seen.length = 0
})
const note = defineTask({
  kind: 'note',
  input: type<{ readonly text: string }>(),
  handler: ({ input, execution }) => {
    seen.push({ tickMs: Number(execution.tags['schedule.tick_ms']), input })
    return input.text
  },
})

describe('a schedule', () => {
  test('starts its task at each tick, and the handler sees which', async () => {
    await running.startWorker({ tasks: [note] })
    const plan = { label: 'every second', everyMs: 1_000 }
    const put = await running.client.schedules.put(plan, note, { text: 'tick' })
    await until('three ticks have run', () => seen.length >= 3)
    const ticks = seen.map(({ tickMs }) => tickMs)
    expect(ticks.slice(0, 3).map((tick) => tick - (ticks[0] ?? 0))).toEqual([0, 1_000, 2_000])
    expect(ticks[0]).toBe(put.nextFireAtMs)
    expect(seen[0]?.input).toEqual({ text: 'tick' })
  })

  test('put again names the same one, and goes on where it was', async () => {
    const { schedules } = running.client
    const plan = { label: 'nightly', cron: '0 3 * * *', timeZone: 'Europe/Berlin' }
    const first = await schedules.put(plan, note, { text: 'a' })
    const second = await schedules.put({ ...plan, overlap: 'allow_all' }, note, { text: 'b' })
    expect(second).toMatchObject({ id: first.id, createdAtMs: first.createdAtMs, overlap: 'allow_all' })
    expect(await schedules.list()).toMatchObject({ items: [{ id: first.id }] })
  })

  test('starts a flow', async () => {
    const flow = defineFlow('pair', (f, input: { readonly text: string }) => {
      const first = f.node(note, input, { name: 'first' })
      return { second: f.after(first).node(note, { text: 'second' }, { name: 'second' }) }
    })
    await running.startWorker({ tasks: [note] })
    const put = await running.client.schedules.put({ label: 'pairs', everyMs: 3_600_000 }, flow, {
      text: 'first',
    })
    const { started } = await running.client.schedules.trigger(put.id)
    const handle = running.client.flow(String(started[0]))
    expect(await handle.result({ timeoutMs: 5_000 })).toEqual({ second: 'second' })
    expect(seen.map(({ input }) => input)).toEqual([{ text: 'first' }, { text: 'second' }])
  })

  test('is refused where its timing or its input is unusable', async () => {
    const { schedules } = running.client
    const put = (plan: object, input: object) =>
      schedules.put({ label: 'bad', everyMs: 60_000, ...plan }, note, input as never)
    await expect(put({ everyMs: 10 }, { text: 'x' })).rejects.toMatchObject({ code: 'invalid_schedule' })
    await expect(
      schedules.put({ label: 'bad', cron: 'sometimes' }, note, { text: 'x' }),
    ).rejects.toMatchObject({ code: 'invalid_schedule' })
    const strict = defineTask({ kind: 'strict', input: z.object({ n: z.number() }), handler: () => null })
    await expect(
      schedules.put({ label: 'bad', everyMs: 60_000 }, strict, { n: 'one' } as never),
    ).rejects.toMatchObject({ code: 'invalid_params', details: { issues: [{ path: 'n' }] } })
    expect((await schedules.list()).items).toEqual([])
  })

  test('that buffers starts what waited soon after what ran has ended', async () => {
    let finish: (() => void) | undefined
    const slow = defineTask({
      kind: 'slow',
      handler: () =>
        new Promise<null>((resolve) => {
          finish = () => resolve(null)
        }),
    })
    await running.startWorker({ tasks: [slow] })
    const { schedules } = running.client
    const { id } = await schedules.put({ label: 'slow', everyMs: 3_600_000, overlap: 'buffer_all' }, slow)
    const nowMs = await running.store.maintenance.serverTimeMs()
    const { started } = await schedules.backfill(id, { from: nowMs - 7_200_000, to: nowMs })
    expect(started).toHaveLength(2)
    for (const each of started) {
      await until('the handler runs', () => finish !== undefined)
      finish?.()
      finish = undefined
      await running.client.handle(String(each)).result({ timeoutMs: 5_000 })
    }
  })
})
