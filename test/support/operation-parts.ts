import type { ExecutionOperations, OperationParts } from '@flowfabric/core'
import { operationParts as postgresParts } from '../../packages/backend-postgres/src/operations/index.js'
import { createContext as createPostgresContext } from '../../packages/backend-postgres/src/postgres-backend.js'
import { operationParts as valkeyParts } from '../../packages/backend-valkey/src/operations/index.js'
import { createContext as createValkeyContext } from '../../packages/backend-valkey/src/valkey-backend.js'

/** What a store's bulk operations are made of, over a connection of their own. */
export interface OpenedParts {
  readonly parts: OperationParts
  close(): Promise<void>
}

export function openPostgresParts(
  settings: Parameters<typeof createPostgresContext>[0],
  executions: ExecutionOperations,
): OpenedParts {
  const { ctx, close } = createPostgresContext(settings)
  return { parts: postgresParts(ctx, executions), close }
}

export function openValkeyParts(
  settings: Parameters<typeof createValkeyContext>[0],
  executions: ExecutionOperations,
): OpenedParts {
  const { ctx, close } = createValkeyContext(settings)
  return { parts: valkeyParts(ctx, executions), close }
}
