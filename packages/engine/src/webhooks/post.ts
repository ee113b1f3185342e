import { lookup as resolveName } from 'node:dns/promises'
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { limits } from '@flowfabric/core'
import type { AddressPolicy } from './address-policy.js'

/** All addresses of a name. */
export type ResolveName = (
  hostname: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>

export const resolveBySystem: ResolveName = (hostname) => resolveName(hostname, { all: true })

export interface Post {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly policy: AddressPolicy
  readonly resolve: ResolveName
}

export type Posted =
  | { readonly status: number; readonly retryAfter: string | undefined }
  | { readonly failure: 'address_refused' | 'timed_out' | 'connection_failed' }

/**
 * Posts once, over a connection of its own, whose address is judged in the connection's own look-up: what a name resolved to
 * before says nothing. Follows no redirect, and looks at nothing of the answer but its head. Never rejects.
 */
export function post({ url, headers, body, timeoutMs, signal, policy, resolve }: Post): Promise<Posted> {
  const timeout = AbortSignal.timeout(timeoutMs)
  const lookup = judgedLookup(policy, resolve)
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((done) => {
    let head: IncomingMessage | undefined
    let refused = false
    const end = () => {
      if (head?.statusCode !== undefined) {
        const { 'retry-after': retryAfter } = head.headers
        done({ status: head.statusCode, retryAfter })
      } else if (refused) done({ failure: 'address_refused' })
      else done({ failure: timeout.aborted ? 'timed_out' : 'connection_failed' })
    }
    let request: ClientRequest
    try {
      request = send(url, {
        method: 'POST',
        agent: false,
        lookup,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.any([signal, timeout]),
      })
    } catch {
      end()
      return
    }
    request.on('response', (response) => {
      head = response
      drain(response, end)
    })
    request.on('error', (error) => {
      refused = error instanceof RefusedAddress
    })
    // Comes whatever happened, such as an answer that would change the protocol.
    request.on('close', end)
    request.end(body)
  })
}

/** Reads on, so that the receiver can write its answer to the end, up to a bound. */
function drain(response: IncomingMessage, end: () => void): void {
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > limits.webhookAnswerBytesMax) response.destroy()
  })
  response.on('error', end)
  response.on('end', end)
  response.on('close', end)
}

class RefusedAddress extends Error {}

/** Only addresses that are allowed are connected to. */
function judgedLookup(policy: AddressPolicy, resolve: ResolveName): LookupFunction {
  return (hostname, options, callback) => {
    const answer = async () => {
      const addresses = await resolve(hostname)
      const allowed = addresses.filter(({ address }) => policy.isAllowed(address))
      const [first] = allowed
      if (first === undefined)
        throw new RefusedAddress('none of its addresses is one that deliveries may go to')
      return { first, allowed: [...allowed] }
    }
    answer().then(
      ({ first, allowed }) => {
        if (options.all) callback(null, allowed)
        else callback(null, first.address, first.family)
      },
      (error: Error) => callback(error, ''),
    )
  }
}
