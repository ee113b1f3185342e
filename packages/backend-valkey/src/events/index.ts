import { chosenHints, type EventOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { listenForHints } from './listen.js'
import { readEvents } from './read.js'

export function createEvents(ctx: ValkeyContext): EventOperations {
  return {
    read: (params) => readEvents(ctx, params),
    listen: (params) => listenForHints(ctx, chosenHints(params)),
  }
}
