import { setTimeout as pause } from 'node:timers/promises'
import { allOf, anyOf, defineFlow, defineTask, quorum, TerminalError, type } from '@flowfabric/sdk'
import type { Ledger } from './ledger.js'

export const lane = 'work'
export const cappedLane = 'capped'
/** Kind of work that a deserter claims too, and never ends. */
export const leftKind = 'left'

/** A wait within a handler: what is cancelled meanwhile stops there. */
const wait = (ms: number, signal: AbortSignal) => pause(ms, undefined, { signal })

interface Run {
  readonly execution: { readonly id: Parameters<Ledger['returned']>[0] }
}

/** The tasks of the load. What a run returns is its own and nobody else's, so that a recorded result names its run. */
export function defineTasks(ledger: Ledger) {
  let runs = 0
  const result = ({ execution }: Run): string => {
    runs += 1
    const own = `${execution.id} run ${runs}`
    ledger.returned(execution.id, own)
    return own
  }
  const retry = { maxAttempts: 10, backoff: { initialMs: 20, maxMs: 100 } }
  const timed = { input: type<{ ms: number }>(), output: type<string>(), lane, retry }
  const quick = defineTask({
    ...timed,
    kind: 'quick',
    handler: async (context) => {
      if (context.input.ms > 0) await wait(context.input.ms, context.signal)
      return result(context)
    },
  })
  const slots = defineTask({
    ...timed,
    kind: 'slots',
    lane: cappedLane,
    handler: async (context) => {
      await wait(context.input.ms, context.signal)
      return result(context)
    },
  })
  const flaky = defineTask({
    kind: 'flaky',
    input: type<{ failures: number }>(),
    output: type<string>(),
    lane,
    retry,
    handler: (context) => {
      if (context.attempt.index < context.input.failures) throw new Error('not yet')
      return result(context)
    },
  })
  const hopeless = defineTask({
    kind: 'hopeless',
    lane,
    handler: () => {
      throw new TerminalError('no use', { category: 'no_use' })
    },
  })
  const stepping = defineTask({
    kind: 'stepping',
    lane,
    retry,
    output: type<string>(),
    handler: async (context) => {
      const first = await context.step('first', () => 'done')
      await context.sleep(5)
      if (context.attempt.index === 0) throw new Error('not yet')
      await context.step('second', () => first)
      return result(context)
    },
  })
  const left = defineTask({ ...timed, kind: leftKind, handler: (context) => result(context) })
  return { quick, slots, flaky, hopeless, stepping, left }
}

export type Tasks = ReturnType<typeof defineTasks>

/** A fan-out with a join, a race whose loser is cancelled, a quorum, a node that fails with a fallback behind it. */
export function defineGraph({ quick, flaky, hopeless }: Tasks) {
  return defineFlow('graph', (f, { width }: { readonly width: number }) => {
    const first = f.node(quick, { ms: 0 }, { name: 'first' })
    const fan = f.after(first).map(
      Array.from({ length: width }, (_, place) => ({ ms: place % 3 })),
      quick,
      { name: 'fan' },
    )
    const joined = f.after(fan).node(flaky, { failures: 1 }, { name: 'joined' })
    const fast = f.after(first).node(quick, { ms: 5 }, { name: 'fast' })
    const slow = f.after(first).node(quick, { ms: 3_000 }, { name: 'slow' })
    const won = f.after(anyOf(fast, slow)).node(quick, { ms: 0 }, { name: 'won' })
    const two = f.after(quorum(2, [fan, won], { letRun: true })).node(quick, { ms: 1 }, { name: 'two' })
    const lost = f.after(two).node(hopeless, undefined, { name: 'lost' })
    f.onFailure(allOf(lost)).node(quick, { ms: 0 }, { name: 'fallback' })
    return { joined }
  })
}
