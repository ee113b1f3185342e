import { deriveWaitpointId } from '@flowfabric/core'
import { isFencingRefusal, refusalError } from '../calls/refusals.js'
import { AttemptLostError } from '../errors.js'
import { type OpenWaitpoint, openWaitpoint, type WaitpointOptions } from '../suspensions/open-waitpoint.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'

/** `ctx.waitpoint`: its id follows from the execution and the name, so that every run opens the same one. */
export async function waitpointOfRun(
  core: WorkerCore,
  held: HeldLease,
  name: string,
  { expiresAt }: WaitpointOptions = {},
): Promise<OpenWaitpoint> {
  const { executionId, namespace, handle } = held.claimed
  const answer = await openWaitpoint(
    { suspensions: core.backend.suspensions, links: core.links },
    {
      namespace,
      executionId,
      handle,
      waitpointId: deriveWaitpointId(executionId, name),
      name,
      ...(expiresAt !== undefined && { expiresAtMs: Math.ceil(Number(expiresAt)) }),
    },
  )
  if ('opened' in answer) return answer.opened
  if (!isFencingRefusal(answer)) throw refusalError(answer, name)
  core.refuse(held, answer)
  throw new AttemptLostError(answer.outcome)
}
