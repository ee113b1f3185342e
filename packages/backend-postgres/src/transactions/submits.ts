import type { Hint, SubmitterBackend } from '@flowfabric/core'
import { createDemandCheck } from '../admission/demands.js'
import { createCatalog } from '../db/catalog.js'
import type { PostgresContext } from '../db/context.js'
import type { Database, Executor } from '../db/database.js'
import { toEngineError } from '../db/fault.js'
import { listLanes } from '../lanes/list.js'
import { describeStore } from '../maintenance/describe.js'
import { readPartitions } from '../maintenance/prepare.js'
import { createSubmitInside } from './submit-executions.js'
import { createFlowSubmitInside } from './submit-flow.js'
import type { AskTransaction } from './transaction-client.js'

/** How one transaction of a user's is spoken to. */
export interface Inside {
  /** What is looked up by the way: elsewhere, so that nothing of it waits for the user's commit, where there is an elsewhere. */
  readonly look: PostgresContext
  /** Calls a function of the schema; throws what it answers as a fault. */
  call(name: string, types: readonly string[], values: readonly unknown[]): Promise<unknown>
  /** What the commit will mean for those who wait. */
  foretell(hints: readonly Hint[]): void
}

/** The submits that a transaction carries out. */
export function createSubmits(
  look: PostgresContext,
  ask: AskTransaction,
  foretell: Inside['foretell'] = () => {},
): SubmitterBackend {
  const inside: Inside = { look, call: createCall(look, ask), foretell }
  return {
    executions: { submit: createSubmitInside(inside) },
    flows: { submit: createFlowSubmitInside(inside) },
    lanes: { list: (params) => listLanes(look, params) },
    maintenance: { describe: () => describeStore(look) },
  }
}

/** The same operations over another session, and with nothing kept of what may be rolled back. */
export function contextOver(ctx: PostgresContext, tx: Executor): PostgresContext {
  const db: Database = {
    ...ctx.db,
    query: tx.query,
    call: tx.query,
    script: tx.script,
    transaction: (body) => body(tx),
  }
  return {
    ...ctx,
    db,
    catalog: createCatalog(db),
    demands: createDemandCheck(db),
    partitions: () => readPartitions(db),
  }
}

/** A failure of its own is answered by the function as a value: the transaction that it was called in goes on. */
interface Refused {
  readonly state: string
  readonly message: string
}

function createCall({ settings }: PostgresContext, ask: AskTransaction): Inside['call'] {
  return async (name, types, values) => {
    const params = types.map((type, index) => `$${index + 1}::${type}`).join(', ')
    const text = `select "${settings.schema}".${name}(${params})::text as answer`
    let answer: string
    try {
      answer = await ask(text, values)
    } catch (fault) {
      throw toEngineError(fault, false)
    }
    const read: unknown = JSON.parse(answer)
    if (isRefused(read)) throw refusal(read)
    return read
  }
}

function isRefused(answer: unknown): answer is Refused {
  return typeof answer === 'object' && answer !== null && 'state' in answer && 'message' in answer
}

function refusal({ state, message }: Refused) {
  return toEngineError(Object.assign(new Error(message), { code: state }), false)
}
