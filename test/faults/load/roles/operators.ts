/** What operators do to what waits: hold and release, and change its priority. */
import { type ExecutionId, parseKind, partitionTagOf } from '@flowfabric/core'
import { defineTask } from '@flowfabric/sdk'
import { allAttempts } from '../../../support/listing.js'
import { groupById, nowMs } from '../ledger.js'
import { namespace } from '../names.js'
import type { RoleFactory } from '../role.js'
import { lane, retry } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    readonly priority: Answered & { readonly id: ExecutionId; readonly priority: number }
    /** It did not run when it was held. It may have run before, where the answer came long after it was due. */
    readonly held: Answered & { readonly id: ExecutionId }
    /** Is about to be released. */
    readonly release: { readonly id: ExecutionId; readonly atMs: number }
  }
}

const kind = 'held'
/** What is held for so long, and not by this process, has been forgotten by its load, which may have died since. */
const forgottenMs = 2_000

export const operators: RoleFactory = ({ ledger, result }) => {
  const held = defineTask({ kind, lane, retry, handler: (context) => result(context) })
  const inHand = new Set<ExecutionId>()
  return {
    name: 'operators',
    weight: 6,
    tasks: [held],
    async act({ client, below }) {
      const submittedAtMs = nowMs()
      const handle = await client.submit(held, undefined, { delayMs: 300 })
      ledger.note('execution', { id: handle.id, beganAtMs: submittedAtMs, atMs: nowMs() })
      inHand.add(handle.id)
      try {
        const beganAtMs = nowMs()
        const { outcome } = await handle.hold()
        if (outcome !== 'held') return
        ledger.note('held', { id: handle.id, beganAtMs, atMs: nowMs() })
        await new Promise((resolve) => setTimeout(resolve, 300 + below(200)))
        const priority = 1 + below(9_000)
        const changedAtMs = nowMs()
        await handle.changePriority(priority)
        ledger.note('priority', { id: handle.id, priority, beganAtMs: changedAtMs, atMs: nowMs() })
        ledger.note('release', { id: handle.id, atMs: nowMs() })
        await handle.release()
      } finally {
        inHand.delete(handle.id)
      }
    },
    async attend({ backend, client }) {
      const filter = { kind: parseKind(kind), states: ['waiting' as const, 'delayed' as const] }
      const { items } = await backend.executions.list({ namespace, filter, limit: 100 })
      for (const execution of items) {
        const isForgotten = !inHand.has(execution.id) && nowMs() - execution.createdAtMs > forgottenMs
        if (!execution.held || !isForgotten) continue
        ledger.note('release', { id: execution.id, atMs: nowMs() })
        await client.handle(execution.id).release()
      }
    },
    async judge({ backend, stored, lost }) {
      for (const { id, priority, ...told } of ledger.all('priority')) {
        const is = stored.get(id)?.priority
        if (is !== undefined && is !== priority)
          lost('priorities', partitionTagOf(id), told, `${id}: priority ${is} instead of ${priority}`)
      }
      const releases = groupById(ledger.all('release'))
      for (const { id, ...told } of ledger.all('held')) {
        if (!stored.has(id)) continue
        const releasedAtMs = releases.get(id)?.[0]?.atMs ?? Number.POSITIVE_INFINITY
        const attempts = await allAttempts(backend, namespace, id)
        const attempt = attempts.find(
          (each) => each.startedAtMs > told.atMs && each.startedAtMs < releasedAtMs,
        )
        if (attempt === undefined) continue
        const facts = JSON.stringify({ ...told, releasedAtMs, attempt, is: stored.get(id) })
        lost('holds', partitionTagOf(id), told, `${id} ran while it was held: ${facts}`)
      }
    },
  }
}
