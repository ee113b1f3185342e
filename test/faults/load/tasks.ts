import { setTimeout as pause } from 'node:timers/promises'
import { type ExecutionId, mintUuid } from '@flowfabric/core'
import { defineTask, TerminalError, type } from '@flowfabric/sdk'
import type { Ledger } from './ledger.js'
import { detailMark, type Own } from './role.js'

export const lane = 'work'
export const cappedLane = 'capped'
/** Of the latter. */
export const cap = 4
/** Kind of work that a deserter claims too, and never ends. */
export const leftKind = 'left'

export const retry = { maxAttempts: 10, backoff: { initialMs: 20, maxMs: 100 } }

/** A wait within a handler: what is cancelled meanwhile stops there. */
export const wait = (ms: number, signal: AbortSignal) => pause(ms, undefined, { signal })

export function createResults(ledger: Ledger): Own['result'] {
  return ({ execution: { id } }: { readonly execution: { readonly id: ExecutionId } }, detail) => {
    const result = `${id} run ${mintUuid()}${detail === undefined ? '' : `${detailMark}${JSON.stringify(detail)}`}`
    ledger.note('result', { id, result })
    return result
  }
}

/** Plain work, of which other roles are made too. */
export function defineBasics(result: Own['result']) {
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

export type Basics = ReturnType<typeof defineBasics>
