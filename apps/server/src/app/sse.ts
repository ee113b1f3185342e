import type { FastifyReply, FastifyRequest } from 'fastify'

export interface SseMessage {
  /** What the client sends as Last-Event-ID when it comes back. */
  readonly id?: string | undefined
  readonly event?: string | undefined
  /** One line of text. Absent: only the id moves. */
  readonly data?: string | undefined
}

/** An answer that is a stream of server-sent events. */
export interface SseStream {
  /** In one piece. Resolves when there is room for more: a slow reader slows its own stream down and fills no memory. */
  send(...messages: readonly SseMessage[]): Promise<void>
  end(): void
}

/** Whether the client wants a stream rather than a page. */
export function acceptsStream(request: FastifyRequest): boolean {
  return (request.headers.accept ?? '').includes('text/event-stream')
}

/** The id of the last message that a client that comes back has got. */
export function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers['last-event-id']
  return header === undefined || header === '' ? undefined : String(header)
}

/** Begins the stream. The signal fires when the client goes away or the server closes. */
export function openSse(reply: FastifyReply, signal: AbortSignal): SseStream {
  const { raw } = reply
  reply.hijack()
  const headers = reply.getHeaders() as Record<string, string>
  raw.writeHead(200, {
    ...headers,
    'content-type': 'text/event-stream; charset=utf-8',
    'x-accel-buffering': 'no',
  })
  // Proxies and clients that hear nothing for long give a connection up.
  const beat = setInterval(() => raw.write(': \n\n'), HEARTBEAT_MS)
  const end = () => {
    clearInterval(beat)
    raw.end()
  }
  signal.addEventListener('abort', end, { once: true })
  raw.write(': \n\n')
  return {
    end,
    async send(...messages) {
      if (signal.aborted) return
      if (!raw.write(messages.map(format).join(''))) await drained(reply, signal)
    },
  }
}

const HEARTBEAT_MS = 15_000

function format({ id, event, data }: SseMessage): string {
  const lines = [
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(data === undefined ? [] : [`data: ${data}`]),
  ]
  return `${lines.join('\n')}\n\n`
}

function drained({ raw }: FastifyReply, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      raw.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    raw.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
  })
}
