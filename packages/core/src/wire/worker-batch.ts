import { z } from 'zod'
import type { ItemError, WorkerScoped } from '../contract/conventions.js'
import { batchReader, itemErrorSchema, readItemError, writeItemError } from './items.js'
import type { WireCall, WireOperation } from './operation.js'
import { readReply } from './read.js'
import { namespaceName } from './scalars.js'

interface WorkerBatch<WireItem, Item, WireOutcome, Extra> {
  readonly name: string
  readonly path: string
  readonly summary: string
  readonly tag: string
  readonly item: z.ZodType<WireItem>
  /** Of an accepted or refused item; that of one in error is added. */
  readonly outcome: z.ZodType<WireOutcome>
  readonly readItem: (wire: WireItem) => Item
  readonly writeItem: (item: Item) => unknown
  /** Fields of the body beside the items. */
  readonly fields?: z.ZodRawShape
  readonly readEnvelope?: (wire: never, call: WireCall) => Extra
  readonly writeEnvelope?: (params: Extra) => object
}

/** A worker's call on a batch of handles: each item is judged for itself, and the call is 200 whatever they come to. */
export function workerBatch<
  WireItem,
  Item,
  WireOutcome extends { readonly outcome: string },
  Extra extends object,
>(
  batch: WorkerBatch<WireItem, Item, WireOutcome, Extra>,
): WireOperation<
  WorkerScoped & Extra & { readonly items: readonly Item[] },
  { readonly items: readonly (WireOutcome | ItemError)[] }
> {
  const envelope = z.strictObject({
    namespaces: z.array(namespaceName).optional().describe('Default: that of the request.'),
    ...batch.fields,
  })
  const readBatch = batchReader(envelope, batch.item)
  const outcome = z.union([itemErrorSchema, batch.outcome])
  const answer = z.object({ items: z.array(outcome) })
  return {
    name: batch.name,
    method: 'POST',
    path: batch.path,
    summary: batch.summary,
    tag: batch.tag,
    schemas: { body: envelope.extend({ items: z.array(batch.item) }), answer },
    refusals: [],
    writeRequest: (params) => ({
      body: {
        namespaces: params.namespaces,
        items: params.items.map(batch.writeItem),
        ...batch.writeEnvelope?.(params),
      },
    }),
    readRequest: (call) => {
      const read = readBatch(call.body, batch.readItem)
      const namespaces = read.envelope.namespaces ?? [call.namespace]
      const extra = batch.readEnvelope?.(read.envelope as never, call) ?? ({} as Extra)
      return { params: { ...extra, namespaces, items: read.items }, refused: read.refused }
    },
    writeAnswer: ({ items }) => ({ items: items.map(writeOutcome) }),
    readAnswer: (json) => ({ items: readReply(answer, json).items.map(readOutcome) }),
  }
}

function writeOutcome(outcome: { readonly outcome: string }): unknown {
  return isItemError(outcome) ? writeItemError(outcome.error) : outcome
}

function readOutcome<Outcome extends { readonly outcome: string }>(
  wire: Outcome | z.infer<typeof itemErrorSchema>,
): Outcome | ItemError {
  return wire.outcome === 'error' ? readItemError(wire as z.infer<typeof itemErrorSchema>) : (wire as Outcome)
}

function isItemError(outcome: { readonly outcome: string }): outcome is ItemError {
  return outcome.outcome === 'error'
}
