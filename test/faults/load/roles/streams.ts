/** Frames and summaries, of attempts that fail, are killed and go on. */
import { type ExecutionId, type Frame, partitionTagOf } from '@flowfabric/core'
import { defineTask, type } from '@flowfabric/sdk'
import { allFrames } from '../../../support/listing.js'
import { groupById, nowMs } from '../ledger.js'
import { namespace } from '../names.js'
import type { RoleFactory } from '../role.js'
import { lane, retry, wait } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    readonly frame: Answered & EmittedFrame & { readonly id: ExecutionId; readonly attempt: number }
    /** A member of an attempt's summary. */
    readonly patch: Answered & { readonly id: ExecutionId; readonly attempt: number; readonly member: string }
  }
}

interface EmittedFrame {
  /** A run of the handler, by whoever's hand. */
  readonly run: string
  /** Counts its frames, from 0. */
  readonly place: number
}

const kind = 'emits'

export const streams: RoleFactory = ({ ledger, result }) => {
  const emits = defineTask({
    kind,
    lane,
    retry,
    input: type<{ readonly frames: number; readonly failures: number }>(),
    output: type<string>(),
    async handler(context) {
      const { id } = context.execution
      const { frames, failures } = context.input
      const attempt = context.attempt.index
      const own = result(context)
      const run = own.slice(own.lastIndexOf(' ') + 1)
      const isFailing = attempt < failures
      const emitted: Promise<void>[] = []
      for (let place = 0; place < frames; place += 1) {
        const beganAtMs = nowMs()
        const sent = context.emit({ run, place } satisfies EmittedFrame).then(() => {
          ledger.note('frame', { id, attempt, run, place, beganAtMs, atMs: nowMs() })
        })
        // A run that fails waits for none of them.
        sent.catch(() => undefined)
        emitted.push(sent)
        if (place % 5 === 4) await wait(5, context.signal)
      }
      const member = `${run} ${attempt}`
      const beganAtMs = nowMs()
      await context.summary({ [member]: attempt })
      ledger.note('patch', { id, attempt, member, beganAtMs, atMs: nowMs() })
      if (isFailing) throw new Error('not yet')
      await Promise.all(emitted)
      return own
    },
  })
  return {
    name: 'streams',
    weight: 8,
    tasks: [emits],
    async act({ client, below }) {
      const beganAtMs = nowMs()
      const handle = await client.submit(emits, { frames: 1 + below(20), failures: below(2) })
      ledger.note('execution', { id: handle.id, beganAtMs, atMs: nowMs() })
    },
    async judge({ backend, stored, ofKind, wrong, lost }) {
      const told = groupById(ledger.all('frame'))
      for (const { id } of ofKind(kind)) {
        const frames = await allFrames(backend, namespace, id)
        for (const fault of faultsOf(frames)) wrong(`${id}: ${fault}`)
        const kept = new Set(frames.filter(({ mode }) => mode === 'durable').map(nameOf))
        for (const frame of told.get(id) ?? []) {
          const name = `${frame.attempt} ${frame.run} ${frame.place}`
          if (!kept.has(name)) lost('frames', partitionTagOf(id), frame, `${id}: the frame ${name} is lost`)
        }
      }
      for (const { id, attempt, member, ...when } of ledger.all('patch')) {
        if (!stored.has(id)) continue
        const params = { namespace, executionId: id, attemptIndex: attempt }
        const summary = await backend.streams.readSummary(params).catch(() => undefined)
        const document = summary === undefined ? {} : JSON.parse(Buffer.from(summary.document).toString())
        if (!Object.hasOwn(document, member))
          lost(
            'patches',
            partitionTagOf(id),
            when,
            `${id}: the summary of attempt ${attempt} lacks ${member}`,
          )
      }
    },
  }
}

const emittedIn = ({ frame }: Frame) => JSON.parse(Buffer.from(frame).toString()) as EmittedFrame

function nameOf(frame: Frame): string {
  const { run, place } = emittedIn(frame)
  return `${frame.attemptIndex} ${run} ${place}`
}

/** Numbers without a gap, attempts in order, and of each run its frames once and in the order of its calls. */
function faultsOf(frames: readonly Frame[]): string[] {
  const faults: string[] = []
  const last = new Map<string, number>()
  for (const [at, frame] of frames.entries()) {
    const before = frames[at - 1]
    const isNext = before?.attemptIndex === frame.attemptIndex
    if (isNext ? frame.frameNumber !== before.frameNumber + 1 : frame.frameNumber !== 0)
      faults.push(
        `frame ${frame.frameNumber} of attempt ${frame.attemptIndex} follows ${before?.frameNumber}`,
      )
    if (before !== undefined && frame.attemptIndex < before.attemptIndex)
      faults.push('attempts are out of order')
    if (frame.mode !== 'durable') continue
    const { run, place } = emittedIn(frame)
    const key = `${frame.attemptIndex} ${run}`
    if (place <= (last.get(key) ?? -1))
      faults.push(`frame ${place} of run ${key} comes after ${last.get(key)}`)
    last.set(key, place)
  }
  return faults
}
