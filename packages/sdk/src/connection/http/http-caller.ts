import { engineError, fromProblem, isEngineError, type Namespace } from '@flowfabric/core'
import { readRefusal, type WireOperation, type WireRequest } from '@flowfabric/core/wire'
import { CallEnd } from './call-end.js'
import type { HttpConnectOptions } from './http-connect-options.js'
import { createHttpTransport, type Fetch, type FetchResponse, type HttpTransport } from './http-transport.js'

const TIMEOUT_MS_DEFAULT = 30_000
/** Longer is no timer. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1
/** A stream that says nothing for so long is broken: servers send a sign of life each 15 s. */
const STREAM_SILENCE_MS = 45_000

/** What of a call is not in its request: whose it is, how long the server may wait, and what ends it early. */
interface CallScope {
  readonly namespace?: Namespace | undefined
  readonly waitMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

type SentOperation<Params, Answer> = Pick<
  WireOperation<Params, Answer>,
  'method' | 'path' | 'refusals' | 'writeRequest' | 'readAnswer'
>

interface Answered {
  readonly ok: boolean
  readonly status: number
  readonly json: unknown
}

/** Sends the contract's operations to a server, over connections that are kept. */
export class HttpCaller {
  readonly #base: string
  readonly #token: string | undefined
  readonly #namespace: Namespace
  readonly #timeoutMs: number
  readonly #transport: HttpTransport | undefined
  readonly #fetch: Fetch
  readonly #underWay = new Set<CallEnd>()
  #isClosed = false

  constructor(options: HttpConnectOptions, namespace: Namespace) {
    const url = new URL(options.url)
    this.#base = `${url.href.replace(/\/+$/, '')}/v1`
    this.#token = options.token
    this.#namespace = namespace
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT
    if (!(this.#timeoutMs > 0)) throw engineError('invalid_configuration', 'timeoutMs must be more than 0')
    if (options.fetch === undefined) this.#transport = createHttpTransport(url)
    this.#fetch = this.#transport?.fetch ?? (options.fetch as Fetch)
  }

  /** One operation: its answer, its refusal as an outcome, or the problem as an `EngineError`. */
  async call<Params, Answer>(operation: SentOperation<Params, Answer>, params: Params): Promise<Answer> {
    const scope = (params ?? {}) as CallScope
    const request = operation.writeRequest(params)
    const { ok, status, json } = await this.#exchange(operation.method, operation.path, request, scope)
    if (ok) return operation.readAnswer(json)
    const refusal = readRefusal<Answer>(operation.refusals, json, status)
    if ('error' in refusal) throw refusal.error
    return refusal.answer
  }

  /** A route that is no operation of the contract. */
  async get(path: string, request: WireRequest, scope: CallScope): Promise<unknown> {
    const { ok, status, json } = await this.#exchange('GET', path, request, scope)
    if (!ok) throw fromProblem(json, status)
    return json
  }

  /** An endless answer of server-sent events. */
  async *openStream(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const end = this.#begin(signal, STREAM_SILENCE_MS)
    try {
      const headers = { ...this.#headers(this.#namespace), accept: 'text/event-stream' }
      const response = await this.#fetch(`${this.#base}${path}`, {
        method: 'GET',
        headers,
        signal: end.signal,
      })
      if (!response.ok || response.body === null) throw fromProblem(await readJson(response), response.status)
      for await (const chunk of response.body) {
        end.prolong()
        yield chunk
      }
    } finally {
      this.#finish(end)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const end of this.#underWay) end.abort()
    this.#transport?.close()
  }

  async #exchange(
    method: string,
    path: string,
    { path: values, query, headers, body }: WireRequest,
    { namespace = this.#namespace, waitMs = 0, signal }: CallScope,
  ): Promise<Answered> {
    const end = this.#begin(signal, Math.min(this.#timeoutMs + waitMs, TIMEOUT_MS_MAX))
    try {
      const response = await this.#fetch(`${this.#base}${fillPath(path, values)}${formatQuery(query)}`, {
        method,
        headers: {
          ...this.#headers(namespace),
          ...headers,
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        signal: end.signal,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return { ok: response.ok, status: response.status, json: await readJson(response) }
    } catch (error) {
      throw this.#readFailure(error, `${method} ${path}`, end)
    } finally {
      this.#finish(end)
    }
  }

  #begin(caller: AbortSignal | undefined, timeoutMs: number): CallEnd {
    const end = new CallEnd(caller, timeoutMs)
    this.#underWay.add(end)
    if (this.#isClosed) end.abort()
    return end
  }

  #finish(end: CallEnd): void {
    this.#underWay.delete(end)
    end.release()
  }

  #headers(namespace: Namespace): Record<string, string> {
    return {
      'ff-namespace': namespace,
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
    }
  }

  /** Whether the server may have done what was asked is known only where no connection came about. */
  #readFailure(error: unknown, what: string, { isTimedOut }: CallEnd): Error {
    if (this.#isClosed)
      return engineError('closed', `${what}: the connection was closed`, {}, { cause: error })
    if (isTimedOut) {
      return engineError(
        'timed_out',
        `${what} was not answered in time`,
        {},
        { cause: error, mayHaveCommitted: true },
      )
    }
    if (isEngineError(error)) return error
    const mayHaveCommitted = !isUnmadeConnection(error)
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
async function readJson(response: FetchResponse): Promise<unknown> {
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

function isUnmadeConnection(error: unknown): boolean {
  // The global `fetch` has it as a cause.
  const codes = [error, error instanceof Error ? error.cause : undefined].map(codeOf)
  return codes.some((code) => typeof code === 'string' && UNMADE.has(code))
}

const UNMADE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOTFOUND', 'ERR_CONNECT_TIMEOUT'])

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
