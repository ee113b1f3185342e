import {
  type AppendFrameOutcome,
  type Bytes,
  engineError,
  type FrameToAppend,
  type StreamMode,
} from '@flowfabric/core'
import { isFencingRefusal, refusalError } from '../calls/refusals.js'
import { AttemptLostError } from '../errors.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'

export interface OutgoingFrame {
  readonly mode: StreamMode
  readonly type: string | undefined
}

interface Waiting {
  readonly frame: OutgoingFrame
  /** A codec may take its time; order is that of the calls. */
  readonly bytes: Promise<Bytes>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Frames that one call sends for an attempt. */
const TOGETHER_MAX = 128
/** Frames that wait here: a handler that awaits none of them and is quicker than its store must not fill the memory. */
const WAITING_MAX = 10_000

/**
 * Sends the frames of one run in the order in which they were emitted. While a call is under way, what is emitted goes
 * together in the next; a number is given to a frame only when it is sent, so that one that is refused leaves no gap.
 */
export class FrameSender {
  readonly #core: WorkerCore
  readonly #held: HeldLease
  #waiting: Waiting[] = []
  #next = 0
  #sending: Promise<void> | undefined
  #hasWarned = false

  constructor(core: WorkerCore, held: HeldLease) {
    this.#core = core
    this.#held = held
  }

  /** Resolves when the frame is recorded. Whoever doesn't wait for it misses nothing but its refusal, which is logged. */
  emit(frame: OutgoingFrame, encode: () => Bytes | Promise<Bytes>): Promise<void> {
    const bytes = new Promise<Bytes>((resolve) => resolve(encode()))
    const sent = new Promise<void>((resolve, reject) => this.#take({ frame, bytes, resolve, reject }))
    // What nobody waits for must not end the process.
    bytes.catch(() => undefined)
    sent.catch((error: unknown) => this.#warn(error))
    return sent
  }

  /** Whether everything that was emitted has been answered. */
  get isIdle(): boolean {
    return this.#sending === undefined
  }

  /** Resolves when everything that was emitted has been answered. Never rejects. */
  async whenIdle(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending
  }

  #take(waiting: Waiting): void {
    const { frame, resolve, reject } = waiting
    if (this.#held.state !== 'running') {
      reject(new AttemptLostError(this.#held.reason?.kind ?? 'its run has ended'))
    } else if (this.#waiting.length < WAITING_MAX) {
      this.#waiting.push(waiting)
      this.#sending ??= this.#send()
    } else if (frame.mode === 'best_effort') {
      // The newest of what may be lost is lost.
      resolve()
    } else {
      const details = { max: WAITING_MAX, actual: WAITING_MAX + 1, field: 'frames' }
      reject(engineError('limit_exceeded', `${WAITING_MAX} frames of this attempt wait already`, details))
    }
  }

  async #send(): Promise<void> {
    // After the microtasks of this turn: what is emitted in one go goes together.
    await new Promise<void>((resolve) => process.nextTick(resolve))
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, TOGETHER_MAX)
      try {
        if (this.#held.state === 'gone') throw new AttemptLostError(this.#held.reason?.kind ?? 'gone')
        await this.#sendBatch(batch)
      } catch (error) {
        for (const { reject } of [...batch, ...this.#waiting.splice(0)]) reject(error)
      }
    }
    this.#sending = undefined
  }

  async #sendBatch(batch: readonly Waiting[]): Promise<void> {
    const ready = await encodeAll(batch)
    const first = this.#next
    const outcomes = await Promise.all(
      ready.map(({ waiting, bytes }, place) =>
        this.#core.frames.add(toItem(this.#held, waiting.frame, bytes, first + place)),
      ),
    )
    const again: Waiting[] = []
    outcomes.forEach((outcome, place) => {
      const { waiting } = ready[place] as Encoded
      if (outcome.outcome === 'appended' || outcome.outcome === 'already_appended') {
        this.#next = first + place + 1
        waiting.resolve()
      } else if (outcome.outcome === 'frame_out_of_order') again.push(waiting)
      else this.#refuse(waiting, outcome)
    })
    const [head] = outcomes
    // None of it was next: the store knows which is.
    if (this.#next === first && head?.outcome === 'frame_out_of_order') this.#next = head.expectedFrameNumber
    this.#waiting = [...again, ...this.#waiting]
  }

  #refuse({ reject }: Waiting, outcome: Exclude<AppendFrameOutcome, { outcome: 'appended' }>): void {
    if (!isFencingRefusal(outcome)) {
      reject(refusalError(outcome, 'a frame'))
      return
    }
    if (this.#held.state !== 'gone') this.#core.refuse(this.#held, outcome)
    reject(new AttemptLostError(outcome.outcome))
  }

  #warn(error: unknown): void {
    if (this.#hasWarned || error instanceof AttemptLostError) return
    this.#hasWarned = true
    this.#core.logger.log('warn', 'a frame was not recorded', {
      executionId: this.#held.claimed.executionId,
      error: String(error),
    })
  }
}

interface Encoded {
  readonly waiting: Waiting
  readonly bytes: Bytes
}

/** What its codec refuses is refused alone. */
async function encodeAll(batch: readonly Waiting[]): Promise<readonly Encoded[]> {
  const settled = await Promise.allSettled(batch.map(({ bytes }) => bytes))
  return settled.flatMap((each, place) => {
    const waiting = batch[place] as Waiting
    if (each.status === 'fulfilled') return [{ waiting, bytes: each.value }]
    waiting.reject(each.reason)
    return []
  })
}

function toItem(
  { claimed }: HeldLease,
  { mode, type }: OutgoingFrame,
  frame: Bytes,
  frameNumber: number,
): FrameToAppend {
  return { handle: claimed.handle, mode, frameNumber, frame, type }
}
