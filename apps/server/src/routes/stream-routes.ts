import { type FramesTail, limits, type TailFrames } from '@flowfabric/core'
import { type IdMint, wire, writeFrame } from '@flowfabric/core/wire'
import type { Engine } from '@flowfabric/engine'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Waits } from '../app/closing.js'
import { toEngineError } from '../app/problem.js'
import { routeConfig } from '../app/route-scopes.js'
import { acceptsStream, lastEventId, openSse } from '../app/sse.js'
import { describeRoute, fastifyPath } from './serve-operation.js'

/**
 * Frames of an execution: a page of JSON, or for who accepts `text/event-stream` a stream that goes on where Last-Event-ID
 * says. Each frame's id is its cursor. A stream that is closed ends with an event that says why; who comes back to it with
 * nothing left to read is answered 204, which browsers take for an end.
 */
export function serveFrames(app: FastifyInstance, engine: Engine, mint: IdMint, waits: Waits): void {
  const operation = wire.streams.tail
  app.route({
    method: 'GET',
    url: `/v1${fastifyPath(operation.path)}`,
    schema: describeRoute(operation),
    config: routeConfig(operation.name),
    handler: async (request, reply) => {
      const { params } = operation.readRequest({
        namespace: request.namespace,
        path: request.params,
        query: request.query,
        body: undefined,
        mint,
      })
      const { streams } = engine.backend
      const signal = waits.signalOf(reply)
      if (!acceptsStream(request)) return operation.writeAnswer(await streams.tail({ ...params, signal }))
      const returned = lastEventId(request)
      const cursor = returned ?? params.cursor
      // Read once before the stream begins, so that a bad cursor is a problem document and no broken stream.
      const first = await streams.tail({ ...params, cursor, waitMs: 0, signal })
      if (returned !== undefined && first.closed !== null && first.frames.length === 0) {
        return reply.code(204).send()
      }
      await streamFrames(reply, engine, { ...params, signal }, first)
      return reply
    },
  })
}

async function streamFrames(
  reply: FastifyReply,
  engine: Engine,
  params: TailFrames & { readonly signal: AbortSignal },
  first: FramesTail,
): Promise<void> {
  const { signal } = params
  const stream = openSse(reply, signal)
  let tail = first
  try {
    while (!signal.aborted) {
      for (const frame of tail.frames) {
        await stream.send({ id: frame.cursor, event: 'frame', data: JSON.stringify(writeFrame(frame)) })
      }
      if (tail.closed !== null) {
        await stream.send({ id: tail.cursor, event: 'closed', data: JSON.stringify({ closed: tail.closed }) })
        return
      }
      // Waiting readers of an attempt go on in that one, whatever is the newest by then.
      const next = { ...params, cursor: tail.cursor, waitMs: limits.waitMsMax }
      tail = await engine.backend.streams.tail(next)
    }
  } catch (error) {
    // The status is sent; the client reads the reason in the stream, and comes back with its last id.
    const { code, message } = toEngineError(error)
    await stream.send({ event: 'error', data: JSON.stringify({ code, message }) })
  } finally {
    stream.end()
  }
}
