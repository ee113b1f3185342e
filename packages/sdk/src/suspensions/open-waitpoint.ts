import {
  type CreateWaitpoint,
  engineError,
  type OpenWaitpointOutcome,
  type SuspensionOperations,
  type Waitpoint,
  type WaitpointId,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import type { Links } from '../connection/connection.js'

/** A waitpoint to hand out. */
export interface OpenWaitpoint {
  readonly id: WaitpointId
  readonly name: string
  readonly expiresAtMs: number | null
  /**
   * Lets its bearer signal, as nobody in particular: all who have this one count as one source. A secret: it is told to
   * whoever is to signal, and written nowhere. `null` where the engine has no key that signs.
   */
  readonly token: string | null
  /** Where a signal is posted to, with the token in the header `FF-Waitpoint-Token`; `null` where there is no server. */
  readonly url: string | null
  /** A token that makes `source` the source of every signal that it delivers. */
  tokenFor(source: string): Promise<string>
}

export interface WaitpointOptions {
  /** From then on it takes no more signals. What is stated first counts. */
  readonly expiresAt?: number | Date | undefined
}

interface Opener {
  readonly suspensions: Pick<SuspensionOperations, 'createWaitpoint'>
  readonly links: Links
}

/** Creates it, or finds it there. */
export async function openWaitpoint(
  { suspensions, links }: Opener,
  params: CreateWaitpoint,
): Promise<
  { readonly opened: OpenWaitpoint } | Exclude<OpenWaitpointOutcome, { readonly waitpoint: Waitpoint }>
> {
  const answer = await callSafely(async () => {
    if (links.waitpoints !== undefined) return links.waitpoints.open(params)
    const created = await suspensions.createWaitpoint(params)
    return 'waitpoint' in created ? { ...created, token: null } : created
  })
  if (!('waitpoint' in answer)) return answer
  const { id, name, expiresAtMs } = answer.waitpoint
  const opened: OpenWaitpoint = {
    id,
    name,
    expiresAtMs,
    token: answer.token,
    url: links.urlOf(id),
    async tokenFor(source) {
      const tokens = requireTokens(links)
      const { namespace } = params
      return (await callSafely(() => tokens.mint({ namespace, waitpointId: id, source }))).token
    },
  }
  return { opened }
}

export function requireTokens({ waitpoints }: Links) {
  if (waitpoints !== undefined) return waitpoints
  throw engineError(
    'invalid_configuration',
    'This connection knows no tokens: give it the engine’s `waitpoints` beside its `backend`',
  )
}
