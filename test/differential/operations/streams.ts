import type { ExecutionId, FoundationBackend, Frame, StreamMode } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, handleOn, type LeaseHandles, nameLeases, type World } from '../world.js'
import { chooseExecution, chooseNamespace } from './executions.js'
import { encode } from './spec.js'

const patches = ['{"a":1}', '{"a":null,"b":{"c":[]}}', '{"b":{"d":"ß"}}', '{}', '[]', 'no json'] as const

export function append(c: Chooser, world: World): Call {
  const lease = chooseLease(c, world)
  const first = expectedNumber(world, lease) + (c.rarely(8) ? c.of([1, -1]) : 0)
  const modes = Array.from({ length: 1 + c.below(3) }, () =>
    c.of(['durable', 'best_effort', 'summary'] as readonly [StreamMode, StreamMode, StreamMode]),
  )
  const frames = modes.map((mode, place) => ({
    mode,
    frameNumber: Math.max(0, first) + place,
    frame: mode === 'summary' ? bytesOf(c.among(patches) ?? '{}') : encode(`frame ${c.below(5)}`),
    ...(c.rarely(3) ? { type: 'token' } : {}),
  }))
  const scoped = { namespaces: [c.rarely(30) ? world.foreign : world.namespace] }
  return {
    text: `streams.append ${nameLeases([lease])} ${frames.map(({ mode, frameNumber }) => `${mode} ${frameNumber}`).join(', ')}`,
    on: (backend, side) =>
      backend.streams.append({
        ...scoped,
        items: frames.map((frame) => ({ handle: handleOn(side, lease), ...frame })),
      }),
  }
}

export function read(c: Chooser, world: World): Call {
  const attemptIndex = chooseAttempt(c)
  const params = {
    namespace: chooseNamespace(c, world),
    executionId: chooseStreamed(c, world),
    attemptIndex,
    limit: 1 + c.below(3),
  }
  return {
    text: `streams.read ${params.executionId} attempt ${attemptIndex}`,
    on: async (backend) => {
      const pages: unknown[] = []
      let cursor: string | undefined
      do {
        const page = await backend.streams.read({ ...params, cursor })
        pages.push(page.items.map(numbered))
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { outcome: 'listed', pages }
    },
  }
}

export function tail(c: Chooser, world: World): Call {
  const attemptIndex = chooseAttempt(c)
  const params = {
    namespace: chooseNamespace(c, world),
    executionId: chooseStreamed(c, world),
    attemptIndex,
    acrossAttempts: c.rarely(2),
    limit: 1 + c.below(4),
    ...(c.rarely(12) ? { cursor: 'no cursor' } : {}),
  }
  return {
    text: `streams.tail ${params.executionId} attempt ${attemptIndex} across ${params.acrossAttempts}`,
    on: (backend) => tailAll(backend, params),
  }
}

/** Until a look brings nothing new: what closes a stream is told behind its last frame alone. */
async function tailAll(
  { streams }: FoundationBackend,
  params: Parameters<FoundationBackend['streams']['tail']>[0],
): Promise<unknown> {
  const looks: unknown[] = []
  let { cursor } = params
  for (;;) {
    const { frames, closed, cursor: next } = await streams.tail({ ...params, cursor })
    looks.push({ frames: frames.map(numbered), closed })
    if (frames.length === 0) return { outcome: 'frames', looks }
    cursor = next
  }
}

export function readSummary(c: Chooser, world: World): Call {
  const params = {
    namespace: chooseNamespace(c, world),
    executionId: chooseStreamed(c, world),
    attemptIndex: chooseAttempt(c),
  }
  return {
    text: `streams.readSummary ${params.executionId} attempt ${params.attemptIndex}`,
    on: (backend) => backend.streams.readSummary(params),
  }
}

/** Cursors are compared too: a frame's place is in them, and nothing that a store draws. */
function numbered({ frameNumber, cursor, ...rest }: Frame) {
  return { ...rest, at: frameNumber, behind: cursor }
}

function chooseLease(c: Chooser, world: World): LeaseHandles | undefined {
  return c.rarely(4) ? c.among(world.handles) : world.handles[world.handles.length - 1 - c.below(4)]
}

function chooseAttempt(c: Chooser): number | undefined {
  return c.rarely(3) ? c.below(3) : undefined
}

/** Mostly one that has a stream. */
function chooseStreamed(c: Chooser, world: World): ExecutionId {
  const streamed = [...world.model.store.executions.values()].filter(
    (x) => x.namespace === world.namespace && x.attempts.some(({ stream }) => stream !== null),
  )
  return (c.rarely(4) ? undefined : c.among(streamed)?.id) ?? chooseExecution(c, world)
}

/** What the holder of the last attempt's lease would send next. */
function expectedNumber({ model }: World, lease: LeaseHandles | undefined): number {
  const x = lease?.executionId == null ? undefined : model.store.executions.get(lease.executionId)
  const attempt = x?.attempts.at(-1)
  if (attempt == null || attempt.stream === null) return 0
  const { epoch, nextNumber, leaseBase } = attempt.stream.head
  return epoch === attempt.epoch ? nextNumber - leaseBase : 0
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
