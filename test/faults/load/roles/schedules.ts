/** Schedules that fire every second, under four overlap policies: each tick starts its work once, and none is left out. */
import { type Execution, type OverlapPolicy, partitionTagOf } from '@flowfabric/core'
import { type Client, defineTask, type } from '@flowfabric/sdk'
import { until } from '../../../support/until.js'
import { groupBy, nowMs } from '../ledger.js'
import type { RoleFactory } from '../role.js'
import { lane, retry, wait } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    /** Before it was paused, all ticks before that time had been taken. */
    readonly pause: { readonly label: string; readonly takenToMs: number }
  }
}

const everyMs = 1_000
const kind = 'ticks'

/** How long the work of each takes: longer than a tick where that matters. */
const plans: Readonly<Partial<Record<OverlapPolicy, number>>> = {
  allow_all: 0,
  skip: 1_200,
  buffer_one: 1_200,
  cancel_other: 1_500,
}
const labels = Object.keys(plans) as readonly OverlapPolicy[]

/** A store whose every answer waits for disks is so late at most. */
const lateMsMax = 10_000
const upToDateWithinMs = 30_000

export const schedules: RoleFactory = ({ ledger, result }) => {
  const ticks = defineTask({
    kind,
    lane,
    retry,
    input: type<{ readonly ms: number }>(),
    output: type<string>(),
    async handler(context) {
      await wait(context.input.ms, context.signal)
      return result(context)
    },
  })
  return {
    name: 'schedules',
    weight: 1,
    tasks: [ticks],
    async prepare({ client }) {
      for (const label of labels) {
        await client.schedules.put({ label, everyMs, overlap: label }, ticks, { ms: plans[label] ?? 0 })
      }
    },
    async act({ client, below }) {
      const label = labels[below(labels.length)] ?? 'skip'
      // By hand, beside the clock: its tick is the time of the call, by which it is told apart.
      if (nowMs() % everyMs > everyMs / 2) return
      await client.schedules.trigger(client.schedules.idOf(label))
    },
    async close({ client }) {
      for (const label of labels) {
        const id = client.schedules.idOf(label)
        // What a kill had interrupted is made up for first: a pause passes over what is due.
        const takenToMs = await untilUpToDate(client, id)
        await client.schedules.pause(id)
        ledger.note('pause', { label, takenToMs })
      }
    },
    async unfinished({ client }) {
      for (const label of labels) {
        const { schedule } = await client.schedules.get(client.schedules.idOf(label))
        const { running, bufferedMs, paused } = schedule
        if (!paused) return `the schedule ${label} fires`
        if (running.length > 0) return `${running.length} of the schedule ${label} run`
        // What waits while it is paused waits on.
        if (bufferedMs.length > 1) return `${bufferedMs.length} ticks of ${label} wait`
      }
      return undefined
    },
    async judge({ client, ofKind, wrong, lost, isDurable }) {
      const started = groupBy(ofKind(kind), ({ tags }) => tags['schedule.id'])
      for (const label of labels) {
        const { schedule } = await client.schedules.get(client.schedules.idOf(label))
        const own = (started.get(schedule.id) ?? []).sort((one, other) => tickOf(one) - tickOf(other))
        const byClock = own.filter((each) => tickOf(each) % everyMs === 0)
        for (const [at, each] of byClock.entries()) {
          const before = byClock[at - 1]
          if (before !== undefined && tickOf(before) === tickOf(each))
            wrong(`${label}: tick ${tickOf(each)} has fired twice`)
          if (before === undefined || label !== 'skip' || !isDurable) continue
          if ((before.terminalAtMs ?? 0) > each.createdAtMs)
            wrong(`${label}: tick ${tickOf(each)} has fired while ${tickOf(before)} ran`)
        }
        if (schedule.lastRefusal !== null) wrong(`${label}: ${JSON.stringify(schedule.lastRefusal)}`)
        if (label !== 'allow_all') continue
        const fired = new Set(byClock.map(tickOf))
        const taken = ledger.all('pause').filter((each) => each.label === label)
        const endMs = Math.max(...taken.map(({ takenToMs }) => takenToMs))
        const [some] = own
        for (let tick = firstAfter(schedule.createdAtMs); tick < endMs; tick += everyMs) {
          if (fired.has(tick) || some === undefined) continue
          const told = { beganAtMs: tick, atMs: tick + lateMsMax }
          lost('ticks', partitionTagOf(some.id), told, `${label}: tick ${tick} has not fired`)
        }
        if (fired.size === 0) wrong(`${label} has never fired`)
      }
    },
  }
}

/** Answers its next tick. One that is behind, and whose every step waits for disks, is left behind if only it gets on. */
async function untilUpToDate({ schedules }: Client, id: string): Promise<number> {
  const next = async () => (await schedules.get(id)).schedule
  const { nextFireAtMs: firstMs, label } = await next()
  const givenUpAtMs = nowMs() + upToDateWithinMs
  let seen: unknown
  const look = async () => {
    const { nextFireAtMs, overlap, ...rest } = await next()
    seen = { nextFireAtMs, atMs: nowMs(), ...rest }
    const tickMs = nextFireAtMs ?? 0
    // Where earlier work is waited for, or cancelled first, a tick takes longer than a tick.
    const isUpToDate = overlap !== 'allow_all' || tickMs > nowMs() - lateMsMax
    return isUpToDate || (nowMs() > givenUpAtMs && tickMs > (firstMs ?? 0)) ? tickMs : undefined
  }
  return until(`the schedule ${label} gets on`, look, upToDateWithinMs + lateMsMax).catch((error: Error) => {
    throw new Error(`${error.message}: from ${firstMs} on it came to ${JSON.stringify(seen)}`)
  })
}

const tickOf = ({ tags }: Execution) => Number(tags['schedule.tick_ms'])
const firstAfter = (atMs: number) => (Math.floor(atMs / everyMs) + 1) * everyMs
