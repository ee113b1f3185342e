/** Bulk operations: cancel what waits under a tag, and run again what has failed under one. */
import { type ExecutionId, mintUuid, parseKind, partitionTagOf } from '@flowfabric/core'
import { type Client, defineTask, ResultTimeoutError, TerminalError } from '@flowfabric/sdk'
import { until } from '../../../support/until.js'
import { nowMs } from '../ledger.js'
import type { RoleFactory } from '../role.js'
import { lane } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    readonly operation: Answered & {
      readonly operationId: string
      readonly kind: 'cancel' | 'replay'
      /** What had been accepted before it began, and is to be done. */
      readonly ids: readonly ExecutionId[]
    }
  }
}

const kinds = { parked: 'parked', sorry: 'sorry' }
const longMs = 3_600_000
/** So long it takes until what is to be replayed has failed. */
const failWithinMs = 5_000
const doneWithinMs = 30_000

export const bulk: RoleFactory = ({ ledger, result }) => {
  const parked = defineTask({ kind: kinds.parked, lane, handler: (context) => result(context) })
  const sorry = defineTask({
    kind: kinds.sorry,
    lane,
    handler: (context) => {
      if (context.execution.generation === 1) throw new TerminalError('once', { category: 'once' })
      return result(context)
    },
  })
  const submitAll = async (client: Client, task: typeof parked, batch: string, count: number) => {
    const beganAtMs = nowMs()
    const options = { tags: { 'chaos.batch': batch }, ...(task === parked && { delayMs: longMs }) }
    const inputs = Array.from({ length: count }, () => undefined)
    const handles = (await client.submitMany(task, inputs, options)).flatMap((each) => {
      if (each.outcome !== 'error') return [each.handle]
      ledger.refused(each.error)
      return []
    })
    for (const { id } of handles) ledger.note('execution', { id, beganAtMs, atMs: nowMs() })
    return handles
  }
  return {
    name: 'bulk',
    weight: 3,
    tasks: [parked, sorry],
    async act({ client, below }) {
      const batch = mintUuid()
      const count = 2 + below(6)
      const operationId = mintUuid()
      if (below(2) === 0) {
        const ids = (await submitAll(client, parked, batch, count)).map(({ id }) => id)
        const beganAtMs = nowMs()
        await client.operations.cancel({ tags: { 'chaos.batch': batch } }, { id: operationId })
        ledger.note('operation', { operationId, kind: 'cancel', ids, beganAtMs, atMs: nowMs() })
        return
      }
      const handles = await submitAll(client, sorry, batch, count)
      const ends = handles.map((handle) => handle.end({ timeoutMs: failWithinMs }))
      if (!(await Promise.all(ends).then(() => true, unlessTooLate))) return
      // Others may see an end that is not yet kept, and that a fail-over undoes: it is once its worker was told.
      const areKept = () => handles.every(({ id }) => ledger.ends.has(id))
      if (!(await until('what has failed is kept', areKept, failWithinMs).catch(() => false))) return
      const beganAtMs = nowMs()
      const filter = { tags: { 'chaos.batch': batch }, states: ['failed' as const] }
      await client.operations.replay(filter, { id: operationId })
      const ids = handles.map(({ id }) => id)
      ledger.note('operation', { operationId, kind: 'replay', ids, beganAtMs, atMs: nowMs() })
    },
    // What nobody came to cancel would wait for an hour; but not before those are done that are to be judged.
    async close({ client }) {
      let open: Awaited<ReturnType<typeof findOpen>> = []
      const areDone = async () => {
        open = await findOpen(client)
        return open.length === 0
      }
      await until('bulk operations are done', areDone, doneWithinMs).catch((error: Error) => {
        throw new Error(`${error.message}: ${open.length} are not, such as ${JSON.stringify(open.slice(-3))}`)
      })
      await client.operations.cancel({ kind: parseKind(kinds.parked) }, { id: mintUuid() })
    },
    async unfinished({ client }) {
      const { length } = await findOpen(client)
      return length > 0 ? `${length} bulk operations are under way` : undefined
    },
    async judge({ client, stored, wrong, lost, isDurable }) {
      for (const { operationId, kind, ids, ...told } of ledger.all('operation')) {
        const operation = await client.operations.get(operationId).catch(() => undefined)
        if (operation === undefined) {
          if (isDurable) wrong(`operation ${operationId} is lost`)
          continue
        }
        const { state, done, unchanged, failed, total, endedAtMs } = operation
        const text = `${kind} ${operationId} is ${JSON.stringify({ state, done, unchanged, failed, total, ids })}`
        if (state !== 'completed') wrong(text)
        if (isDurable && (done !== ids.length || unchanged + failed > 0 || (total ?? done) !== done))
          wrong(text)
        // It was done some time until then.
        const doing = { beganAtMs: told.beganAtMs, atMs: endedAtMs ?? told.atMs }
        for (const id of ids) {
          const execution = stored.get(id)
          if (execution === undefined) continue
          const isDone =
            kind === 'cancel' ? execution.publicState === 'cancelled' : execution.generation === 2
          if (!isDone)
            lost('bulk changes', partitionTagOf(id), doing, `${text}: ${id} is ${execution.publicState}`)
        }
      }
    },
  }
}

function unlessTooLate(error: unknown): false {
  if (error instanceof ResultTimeoutError) return false
  throw error
}

/** Newest first. */
async function findOpen({ operations }: Client) {
  const { items } = await operations.list({ limit: 1_000 })
  return items.filter(({ state }) => state !== 'completed')
}
