import type { EventsPage, Hint } from '@flowfabric/core'
import { limits, type ReadEvents } from '@flowfabric/core'
import {
  executionEvents,
  flowEvents,
  hintsQuery,
  type IdMint,
  readHintTypes,
  type WireOperation,
  wire,
} from '@flowfabric/core/wire'
import type { Engine } from '@flowfabric/engine'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Waits } from '../app/closing.js'
import type { Grant } from '../app/grant.js'
import { toEngineError } from '../app/problem.js'
import { routeConfig } from '../app/route-scopes.js'
import { acceptsStream, lastEventId, openSse, type SseMessage } from '../app/sse.js'
import { describeRoute, fastifyPath } from './serve-operation.js'

/**
 * The change feed: a page of JSON, or for who accepts `text/event-stream` a stream that goes on where Last-Event-ID
 * says. The id of a streamed event is a cursor over all partitions; it comes with the last event of each page, so that a
 * connection lost inside a page gets that page again, and never misses one.
 */
export function serveEvents(app: FastifyInstance, engine: Engine, mint: IdMint, waits: Waits): void {
  for (const operation of [wire.events.read, executionEvents, flowEvents])
    serveFeed(app, engine, mint, waits, operation)
  serveHints(app, engine, waits)
}

function serveFeed(
  app: FastifyInstance,
  engine: Engine,
  mint: IdMint,
  waits: Waits,
  operation: WireOperation<ReadEvents, EventsPage>,
): void {
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
      const signal = waits.signalOf(reply)
      if (!acceptsStream(request))
        return operation.writeAnswer(await engine.backend.events.read({ ...params, signal }))
      const cursor = lastEventId(request) ?? params.cursor
      // Read once before the stream begins, so that a bad cursor is a problem document and no broken stream.
      const first = await engine.backend.events.read({ ...params, cursor, waitMs: 0, signal })
      await streamEvents(reply, engine, { ...params, signal }, first)
      return reply
    },
  })
}

async function streamEvents(
  reply: FastifyReply,
  engine: Engine,
  params: ReadEvents & { readonly signal: AbortSignal },
  first: EventsPage,
): Promise<void> {
  const { signal } = params
  const stream = openSse(reply, signal)
  let page = first
  try {
    while (!signal.aborted) {
      for (const [place, event] of page.events.entries()) {
        const id = place === page.events.length - 1 ? page.cursor : undefined
        await stream.send({ id, event: event.type, data: JSON.stringify(event) })
      }
      // A filter that let nothing through moved the cursor all the same.
      if (page.events.length === 0) await stream.send({ id: page.cursor })
      page = await engine.backend.events.read({ ...params, cursor: page.cursor, waitMs: limits.waitMsMax })
    }
  } catch (error) {
    // The status is sent; the client reads the reason in the stream, and comes back with its last id.
    const { code, message } = toEngineError(error)
    await stream.send({ event: 'error', data: JSON.stringify({ code, message }) })
  } finally {
    stream.end()
  }
}

/** Best-effort hints for clients and workers of other processes: they make waits short, and nothing depends on them. */
function serveHints(app: FastifyInstance, engine: Engine, waits: Waits): void {
  app.route({
    method: 'GET',
    url: '/v1/hints',
    schema: {
      operationId: 'events.listen',
      summary:
        'Best-effort hints that something may have changed, as a stream; they may be lost, doubled or late.',
      tags: ['events'],
      querystring: hintsQuery,
    } as object,
    config: routeConfig('events.listen'),
    handler: async ({ grant, query }, reply) => {
      const types = readHintTypes(query)
      const signal = waits.signalOf(reply)
      const stream = openSse(reply, signal)
      const queue: SseMessage[] = []
      let isSending = false
      const send = async () => {
        if (isSending) return
        isSending = true
        while (queue.length > 0) await stream.send(...queue.splice(0))
        isSending = false
      }
      const stop = engine.backend.events.listen({
        types,
        onHint: (hint) => {
          // Who reads too slowly loses hints, not memory.
          if (!mayHear(grant, hint) || queue.length >= HINTS_QUEUED_MAX) return
          queue.push({ data: JSON.stringify(hint) })
          // Hints of one step come together, and go together.
          if (queue.length === 1) setImmediate(() => void send())
          else if (queue.length === HINTS_QUEUED_MAX / 2) void send()
        },
      })
      signal.addEventListener('abort', stop, { once: true })
      return reply
    },
  })
}

/**
 * An id says nothing of its namespace: to whom some are closed, only the hints that name one of theirs are told. They learn
 * of ends by asking for them, which may wait.
 */
function mayHear({ namespaces }: Grant, hint: Hint): boolean {
  return namespaces === null || (hint.type === 'ready' && namespaces.has(hint.namespace))
}

/** Hints that wait for a slow reader of one stream. */
const HINTS_QUEUED_MAX = 1_000
