import {
  checkReadEvents,
  type EngineEvent,
  type EventFilter,
  type EventOperations,
  type EventsPage,
  engineError,
  limits,
  type ReadEvents,
} from '@flowfabric/core'
import { invalidCursor } from './pages.js'
import { type Model, operate, waitFor } from './store.js'

export function createEvents(model: Model): EventOperations {
  return {
    read: async (params) => {
      // Where the reading stands is fixed by its first look, so that `now` doesn't move while it waits.
      const start = await operate(model, () => {
        checkReadEvents(params, model.partitions)
        return startOf(model, params)
      })
      const look = () => {
        const page = readPage(model, params, start)
        return page.events.length > 0 ? page : undefined
      }
      const page = params.waitMs
        ? await waitFor(model, { ms: params.waitMs, signal: params.signal }, look)
        : await operate(model, look)
      return page ?? operate(model, () => readPage(model, params, start))
    },

    listen: ({ onHint }) => {
      const listener = onHint
      model.listeners.add(listener)
      return () => {
        model.listeners.delete(listener)
      }
    },
  }
}

function startOf(model: Model, params: ReadEvents): number {
  if (params.cursor === undefined) return params.from === 'now' ? model.sequence : model.trimmedThrough
  if (!/^m[0-9]{1,15}$/.test(params.cursor)) throw invalidCursor()
  const position = Number(params.cursor.slice(1))
  if (position >= model.trimmedThrough) return position
  throw engineError('cursor_expired', 'events after the cursor were trimmed')
}

function readPage(model: Model, params: ReadEvents, after: number): EventsPage {
  const limit = params.limit ?? limits.pageSizeDefault
  const events: EngineEvent[] = []
  let position = after
  for (const entry of model.feed) {
    if (entry.position <= after) continue
    if (events.length === limit) break
    position = entry.position
    if (entry.event.namespace === params.namespace && passes(entry.event, params.filter))
      events.push(entry.event)
  }
  return { outcome: 'events', events, cursor: `m${position}` }
}

function passes(event: EngineEvent, { executionId, flowId, lane, types }: EventFilter = {}): boolean {
  return (
    (types === undefined || types.includes(event.type)) &&
    (flowId === undefined || event.flowId === flowId) &&
    (executionId === undefined || (event.type === 'execution' && event.executionId === executionId)) &&
    (lane === undefined || (event.type === 'execution' && event.lane === lane))
  )
}
