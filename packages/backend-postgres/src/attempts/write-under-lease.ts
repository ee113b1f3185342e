import {
  type CheckedHandle,
  type FencingRefusal,
  type ItemError,
  isEngineError,
  partitionIndexOf,
  uuidOf,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'
import type { Executor } from '../db/database.js'
import { fenceHandle } from '../leases/fence.js'
import { toItemError } from '../leases/handle-columns.js'

type Key = readonly [partition: number, id: string]

/**
 * Writes that end nothing, each in a short transaction of its own that locks one execution: a bad item leaves its
 * neighbours unharmed. An attempt that recorded something cannot be yielded any more.
 */
export function writeUnderLeases<Outcome extends { readonly outcome: string }>(
  ctx: PostgresContext,
  namespaces: readonly string[],
  handles: readonly CheckedHandle[],
  write: (tx: Executor, key: Key, index: number) => Promise<Outcome>,
): Promise<(Outcome | FencingRefusal | ItemError)[]> {
  return inTurn(handles, async (handle, index): Promise<Outcome | FencingRefusal | ItemError> => {
    if (isEngineError(handle)) return { outcome: 'error', error: handle }
    const key: Key = [partitionIndexOf(handle.executionId), uuidOf(handle.executionId)]
    return ctx.db
      .transaction(async (tx) => {
        const refusal = await fenceHandle(tx, namespaces, handle)
        if (refusal !== undefined) return refusal
        const outcome = await write(tx, key, index)
        if (outcome.outcome === 'recorded') {
          await tx.query(
            'update ff.execution set attempt_has_effects = true where partition_key = $1 and id = $2 and not attempt_has_effects',
            [...key],
          )
        }
        return outcome
      })
      .catch(toItemError)
  })
}

/** One after the other: two items may be of one execution, and then the order counts. */
async function inTurn<Item, Outcome>(
  items: readonly Item[],
  carryOut: (item: Item, index: number) => Promise<Outcome>,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [index, item] of items.entries()) outcomes.push(await carryOut(item, index))
  return outcomes
}
