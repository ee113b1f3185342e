import type { Hint } from '../contract/events.js'
import type { HintHub } from '../hints/hint-hub.js'
import type { StartTimer } from '../hints/ready-waiters.js'
import type { ExecutionId } from '../ids/index.js'

/** Readers that wait for frames, by execution: a hint concerns those of one, however many wait. */
export interface FrameWaiters {
  /** Remembers news of the execution from now on, so that none falls between a look and the wait for the next. */
  enter(executionId: ExecutionId): FrameTicket
}

export interface FrameTicket {
  /** Answers with the first news since `enter`, or when the time is over or a signal aborts: whether there were news. */
  wait(ms: number, signals: readonly AbortSignal[]): Promise<boolean>
  leave(): void
}

interface Waiter {
  isNews: boolean
  wake: (() => void) | undefined
}

export function createFrameWaiters(hints: Pick<HintHub, 'listen'>, startTimer: StartTimer): FrameWaiters {
  const waiting = new Map<ExecutionId, Set<Waiter>>()
  let stopListening: (() => void) | undefined

  const onHint = (hint: Hint) => {
    const id = subjectOf(hint)
    if (id === undefined) return
    for (const waiter of waiting.get(id as ExecutionId) ?? []) {
      waiter.isNews = true
      waiter.wake?.()
    }
  }

  return {
    enter(executionId) {
      const waiter: Waiter = { isNews: false, wake: undefined }
      const others = waiting.get(executionId) ?? new Set()
      waiting.set(executionId, others.add(waiter))
      // While nobody waits, nobody listens.
      stopListening ??= hints.listen(onHint)
      return {
        async wait(ms, signals) {
          if (!waiter.isNews && ms > 0 && !signals.some((signal) => signal.aborted)) {
            await untilWoken(waiter, signals, (onEnd) => startTimer(onEnd, ms))
          }
          return waiter.isNews
        },
        leave() {
          others.delete(waiter)
          if (others.size === 0 && waiting.get(executionId) === others) waiting.delete(executionId)
          if (waiting.size > 0) return
          stopListening?.()
          stopListening = undefined
        },
      }
    },
  }
}

/** The execution that a hint says something about. */
function subjectOf(hint: Hint): string | undefined {
  if (hint.type === 'frames' || hint.type === 'attention') return hint.executionId
  return hint.type === 'ended' ? hint.id : undefined
}

function untilWoken(
  waiter: Waiter,
  signals: readonly AbortSignal[],
  startTimer: (onEnd: () => void) => () => void,
): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stopTimer()
      for (const signal of signals) signal.removeEventListener('abort', end)
      waiter.wake = undefined
      resolve()
    }
    const stopTimer = startTimer(end)
    for (const signal of signals) signal.addEventListener('abort', end, { once: true })
    waiter.wake = end
  })
}
