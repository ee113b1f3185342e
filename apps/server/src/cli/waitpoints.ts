import type { ExecutionId, Namespace, Waitpoint } from '@flowfabric/core'
import type { ServerBackend } from '@flowfabric/sdk'
import { formatTable, formatTime } from './format.js'

/** All waitpoints of an execution, oldest first. */
export async function listWaitpoints(
  { backend, namespace }: { readonly backend: ServerBackend; readonly namespace: Namespace },
  executionId: ExecutionId,
): Promise<readonly Waitpoint[]> {
  const found: Waitpoint[] = []
  let cursor: string | undefined
  do {
    const page = await backend.suspensions.listWaitpoints({ namespace, executionId, cursor, limit: 1_000 })
    found.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return found
}

export function waitpointTable(waitpoints: readonly Waitpoint[]): string {
  const rows = waitpoints.map(({ id, name, state, signalCount, createdAtMs, expiresAtMs }) => [
    name,
    state,
    String(signalCount),
    formatTime(createdAtMs),
    formatTime(expiresAtMs),
    id,
  ])
  return formatTable(['waitpoint', 'state', 'signals', 'created', 'expires', 'id'], rows)
}
