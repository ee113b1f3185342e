import { setMaxListeners } from 'node:events'
import { engineError, fromProblem, type Namespace } from '@flowfabric/core'
import { readRefusal, type WireOperation, type WireRequest } from '@flowfabric/core/wire'
import type { HttpConnectOptions } from './http-connect-options.js'

const TIMEOUT_MS_DEFAULT = 30_000

/** What of a call is not in its request: whose it is, how long the server may wait, and what ends it early. */
interface CallScope {
  readonly namespace?: Namespace | undefined
  readonly waitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Sends the contract's operations to a server. Connections are kept alive by the platform's `fetch`. */
export class HttpCaller {
  readonly #base: string
  readonly #token: string | undefined
  readonly #namespace: Namespace
  readonly #timeoutMs: number
  readonly #fetch: typeof globalThis.fetch
  readonly #closing = new AbortController()

  constructor(options: HttpConnectOptions, namespace: Namespace) {
    this.#base = `${new URL(options.url).href.replace(/\/+$/, '')}/v1`
    this.#token = options.token
    this.#namespace = namespace
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT
    this.#fetch = options.fetch ?? globalThis.fetch
    // Every call under way listens to it.
    setMaxListeners(0, this.#closing.signal)
  }

  /** One operation: its answer, its refusal as an outcome, or the problem as an `EngineError`. */
  async call<Params, Answer>(operation: WireOperation<Params, Answer>, params: Params): Promise<Answer> {
    const scope = (params ?? {}) as CallScope
    const response = await this.#send(operation.method, operation.path, operation.writeRequest(params), scope)
    const json = await readJson(response)
    if (response.ok) return operation.readAnswer(json)
    const refusal = readRefusal<Answer>(operation.refusals, json, response.status)
    if ('error' in refusal) throw refusal.error
    return refusal.answer
  }

  /** A route that is no operation of the contract. */
  async get(path: string, request: WireRequest, scope: CallScope): Promise<unknown> {
    const response = await this.#send('GET', path, request, scope)
    const json = await readJson(response)
    if (!response.ok) throw fromProblem(json, response.status)
    return json
  }

  /** An endless answer of server-sent events. */
  async openStream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#fetch(`${this.#base}${path}`, {
      headers: { ...this.#headers(this.#namespace), accept: 'text/event-stream' },
      signal: AbortSignal.any([signal, this.#closing.signal]),
    })
    if (!response.ok || response.body === null) throw fromProblem(await readJson(response), response.status)
    return response.body
  }

  close(): void {
    this.#closing.abort()
  }

  async #send(method: string, path: string, request: WireRequest, scope: CallScope): Promise<Response> {
    const timeout = AbortSignal.timeout(this.#timeoutMs + (scope.waitMs ?? 0))
    const signals = [this.#closing.signal, timeout, ...(scope.signal === undefined ? [] : [scope.signal])]
    const { body } = request
    try {
      return await this.#fetch(`${this.#base}${fillPath(path, request.path)}${formatQuery(request.query)}`, {
        method,
        headers: {
          ...this.#headers(scope.namespace ?? this.#namespace),
          ...request.headers,
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        signal: AbortSignal.any(signals),
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    } catch (error) {
      throw this.#readFailure(error, `${method} ${path}`, timeout)
    }
  }

  #headers(namespace: Namespace): Record<string, string> {
    return {
      'ff-namespace': namespace,
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
    }
  }

  /** Whether the server may have done what was asked is known only where no connection came about. */
  #readFailure(error: unknown, what: string, timeout: AbortSignal): Error {
    if (this.#closing.signal.aborted)
      return engineError('closed', `${what}: the connection was closed`, {}, { cause: error })
    if (timeout.aborted) {
      return engineError(
        'timed_out',
        `${what} was not answered in time`,
        {},
        { cause: error, mayHaveCommitted: true },
      )
    }
    const mayHaveCommitted = !isRefusedConnection(error)
    return engineError(
      'connection_lost',
      `${what}: the server cannot be reached`,
      {},
      { cause: error, mayHaveCommitted },
    )
  }
}

function fillPath(path: string, values: WireRequest['path']): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values?.[name] ?? ''))
}

function formatQuery(query: WireRequest['query']): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue
    for (const each of typeof value === 'object' ? value : [value]) search.append(name, String(each))
  }
  return search.size === 0 ? '' : `?${search}`
}

/** A proxy's page, or an answer that was cut off, is no JSON; what it means is judged by its status. */
async function readJson(response: Response): Promise<unknown> {
  const { status } = response
  const lost = (cause: unknown) =>
    engineError(
      'connection_lost',
      `The answer (status ${status}) broke off`,
      {},
      { cause, mayHaveCommitted: true },
    )
  const text = await response.text().catch((cause: unknown) => {
    throw lost(cause)
  })
  try {
    return JSON.parse(text)
  } catch (cause) {
    if (!response.ok) return undefined
    throw engineError(
      'unexpected_answer',
      `The server answered status ${status} with what is no JSON`,
      { status },
      { cause, mayHaveCommitted: true },
    )
  }
}

function isRefusedConnection(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
  return code === 'ECONNREFUSED' || code === 'ENOTFOUND'
}
