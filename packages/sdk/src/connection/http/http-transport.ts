import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'

/** What is used of the platform's `fetch`, which is one of these. */
export type Fetch = (url: string, request: FetchRequest) => Promise<FetchResponse>

export interface FetchRequest {
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string
  readonly signal: AbortSignal
}

export interface FetchResponse {
  readonly ok: boolean
  readonly status: number
  readonly body: AsyncIterable<Uint8Array> | null
  text(): Promise<string>
}

export interface HttpTransport {
  readonly fetch: Fetch
  /** Ends all connections. */
  readonly close: () => void
}

/** So long a connection waits for its next request, or for its other side when it is made. Servers wait longer. */
const IDLE_MS = 5_000

/**
 * Node's own client with kept connections, for servers at this address: its requests cost about half of the global
 * `fetch`'s. Redirects are answers like others, and proxies are not used. A connection that cannot be made fails with the
 * code `ECONNREFUSED`, `ENOTFOUND` or `ERR_CONNECT_TIMEOUT`.
 */
export function createHttpTransport(base: URL): HttpTransport {
  const platform = base.protocol === 'https:' ? https : http
  const agent = new platform.Agent({ keepAlive: true, timeout: IDLE_MS })
  const fetch: Fetch = (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const own = {
        'user-agent': 'flowfabric-sdk',
        'accept-encoding': 'identity',
        ...(body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }),
      }
      const request = platform.request(url, { method, headers: { ...own, ...headers }, agent })
      const abort = () => {
        reject(signal.reason)
        request.destroy(signal.reason)
      }
      request.on('response', (message) => resolve(new NodeResponse(message)))
      request.on('error', reject)
      // Some ends are no error: a change of protocol that nobody asked for.
      request.on('close', () => reject(new Error('The connection was closed without an answer')))
      request.on('timeout', () => {
        if (request.socket?.connecting) request.destroy(new ConnectTimeout())
      })
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
      request.end(body)
    })
  return { fetch, close: () => agent.destroy() }
}

class ConnectTimeout extends Error {
  readonly code = 'ERR_CONNECT_TIMEOUT'

  constructor() {
    super(`The connection was not made within ${IDLE_MS} ms`)
  }
}

class NodeResponse implements FetchResponse {
  readonly #message: IncomingMessage

  constructor(message: IncomingMessage) {
    this.#message = message
  }

  get status(): number {
    return this.#message.statusCode ?? 0
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#message
  }

  text(): Promise<string> {
    const message = this.#message
    const chunks: Buffer[] = []
    return new Promise((resolve, reject) => {
      message.on('data', (chunk: Buffer) => chunks.push(chunk))
      message.on('end', () =>
        resolve((chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))?.toString() ?? ''),
      )
      message.on('error', reject)
    })
  }
}
