import {
  checkReadEvents,
  chosenHints,
  type EngineEvent,
  type EventFilter,
  type EventOperations,
  type EventsPage,
  engineError,
  limits,
  makePartitionTag,
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

    listen: (params) => {
      const listener = chosenHints(params)
      model.listeners.add(listener)
      return () => {
        model.listeners.delete(listener)
      }
    },
  }
}

/** The next number of each partition; one that isn't named is read from its first. */
type Position = ReadonlyMap<string, number>

function startOf(model: Model, params: ReadEvents): Position {
  if (params.cursor === undefined) {
    if (params.from !== 'now') return new Map(model.trimmedBelow)
    return new Map([...model.eventNumbers].map(([partition, last]) => [partition, last + 1]))
  }
  const position = parseCursor(params.cursor)
  for (const [partition, first] of model.trimmedBelow) {
    if ((position.get(partition) ?? 1) < first)
      throw engineError('cursor_expired', 'events after the cursor were trimmed')
  }
  return position
}

function parseCursor(cursor: string): Position {
  if (!/^m([0-9]{1,5}:[0-9]{1,15};)*$/.test(cursor)) throw invalidCursor()
  const parts = cursor.slice(1).split(';').filter(Boolean)
  return new Map(
    parts.map((part) => {
      const [index = '', next] = part.split(':')
      return [makePartitionTag('flow', Number(index)), Number(next)]
    }),
  )
}

function writeCursor(position: Position): string {
  const parts = [...position].map(([partition, next]) => `${/[0-9]+/.exec(partition)?.[0]}:${next};`)
  return `m${parts.join('')}`
}

function readPage(model: Model, params: ReadEvents, from: Position): EventsPage {
  const limit = params.limit ?? limits.pageSizeDefault
  const events: EngineEvent[] = []
  const position = new Map(from)
  for (const event of model.feed) {
    if (event.number < (position.get(event.partition) ?? 1)) continue
    if (events.length === limit) break
    position.set(event.partition, event.number + 1)
    if (event.namespace === params.namespace && passes(event, params.filter)) events.push(event)
  }
  return { outcome: 'events', events, cursor: writeCursor(position) }
}

function passes(event: EngineEvent, { executionId, flowId, lane, types }: EventFilter = {}): boolean {
  return (
    (types === undefined || types.includes(event.type)) &&
    (flowId === undefined || ('flowId' in event && event.flowId === flowId)) &&
    (executionId === undefined || ('executionId' in event && event.executionId === executionId)) &&
    (lane === undefined || ('lane' in event && event.lane === lane))
  )
}
