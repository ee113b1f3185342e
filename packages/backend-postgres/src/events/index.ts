import type { EventOperations } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { readEvents } from './read.js'

export function createEvents(ctx: PostgresContext): EventOperations {
  return {
    read: (params) => readEvents(ctx, params),
    listen: ({ onHint }) => ctx.hints.listen(onHint),
  }
}
