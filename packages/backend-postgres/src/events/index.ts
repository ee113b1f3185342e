import { chosenHints, type EventOperations } from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import { createSharedNumbering } from './numbering.js'
import { readEvents } from './read.js'

export function createEvents(ctx: PostgresContext): EventOperations {
  const number = createSharedNumbering(ctx)
  return {
    read: (params) => readEvents(ctx, number, params),
    listen: (params) => ctx.hints.listen(chosenHints(params)),
  }
}
