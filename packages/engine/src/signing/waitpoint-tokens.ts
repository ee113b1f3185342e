import {
  engineError,
  isEngineError,
  mintExecutionId,
  mintWaitpointId,
  type Namespace,
  parseNamespace,
  type SignedWaitpoint,
  type SuspensionOperations,
  type Waitpoint,
  type WaitpointId,
  type WaitpointTokens,
} from '@flowfabric/core'
import type { Signing } from './signing.js'

type Suspensions = Pick<SuspensionOperations, 'createWaitpoint' | 'findWaitpoint' | 'deliverSignal'>

/** Tokens are made and verified here, in the process that has the secrets; the store is asked for the waitpoint alone. */
export function createWaitpointTokens(suspensions: Suspensions, signing: Signing): WaitpointTokens {
  return {
    async open(params) {
      const answer = await suspensions.createWaitpoint(params)
      if (answer.outcome !== 'created' && answer.outcome !== 'duplicate') return answer
      const { keys, nowMs } = await signing.current()
      const signs = keys.signerAt(nowMs) !== undefined
      const token = signs ? keys.mint(toSigned(params.namespace, answer.waitpoint), nowMs) : null
      return { ...answer, token }
    },

    async mint({ namespace, waitpointId, source }) {
      const [found, { keys, nowMs }] = await Promise.all([
        suspensions.findWaitpoint({ waitpointId }),
        signing.current(),
      ])
      if (found.namespace !== namespace) throw notFound()
      return { outcome: 'minted', token: keys.mint(toSigned(namespace, found.waitpoint), nowMs, source) }
    },

    async deliver({ token, ...signal }) {
      const [found, { keys, nowMs }] = await Promise.all([
        findQuietly(suspensions, signal.waitpointId),
        signing.current(),
      ])
      // What isn't there is verified too, so that how long the answer takes says no more than the answer.
      const verified = keys.verify(token, found ?? nobodys, nowMs)
      if (found === undefined || verified === undefined) throw notFound()
      const { namespace } = found
      return suspensions.deliverSignal({ ...signal, namespace, source: verified.source })
    },
  }
}

function toSigned(namespace: Namespace, { id, executionId, createdAtMs, expiresAtMs }: Waitpoint) {
  return { id, namespace, executionId, createdAtMs, expiresAtMs } satisfies SignedWaitpoint
}

/** Nothing for a waitpoint that isn't there, also where no partition is. */
async function findQuietly(suspensions: Suspensions, waitpointId: WaitpointId) {
  try {
    const { namespace, waitpoint } = await suspensions.findWaitpoint({ waitpointId })
    return toSigned(namespace, waitpoint)
  } catch (error) {
    if (isEngineError(error) && silent.has(error.code)) return undefined
    throw error
  }
}

const silent: ReadonlySet<string> = new Set(['waitpoint_not_found', 'partition_out_of_range'])

/** No waitpoint has this id: no token speaks of it. */
const nobodys: SignedWaitpoint = {
  id: mintWaitpointId(0),
  namespace: parseNamespace('default'),
  executionId: mintExecutionId(0),
  createdAtMs: 0,
  expiresAtMs: null,
}

/** One text for all that it stands for. */
function notFound() {
  return engineError('waitpoint_not_found', 'No such waitpoint, or not with this token')
}
