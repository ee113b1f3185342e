import {
  type AuditEntry,
  type AuditOperations,
  type AuditPlace,
  checkAppendAudit,
  checkListAudit,
  limits,
  writeAuditCursor,
} from '@flowfabric/core'
import { type Model, operate } from './store.js'

export function createAudit(model: Model): AuditOperations {
  return {
    append: (params) =>
      operate(model, () => {
        checkAppendAudit(params)
        const known = model.audit.get(params.actionId)
        if (known === undefined) {
          const { actionId, namespace, actor, action, subjects, reason, outcome } = params
          const atMs = model.clock.nowMs()
          const entry = { actionId, namespace, actor, action, subjects: [...subjects], reason, outcome, atMs }
          model.audit.set(actionId, entry)
          return { outcome: 'appended' as const }
        }
        if (known.outcome !== null || params.outcome === null) return { outcome: 'duplicate' as const }
        model.audit.set(params.actionId, { ...known, outcome: params.outcome })
        return { outcome: 'completed' as const }
      }),

    list: (params) =>
      operate(model, () => {
        const after = checkListAudit(params)
        const found = [...model.audit.values()]
          .filter(
            (entry) =>
              (params.namespace === undefined || entry.namespace === params.namespace) &&
              (params.actor === undefined || entry.actor === params.actor) &&
              (params.subject === undefined || entry.subjects.includes(params.subject)),
          )
          .filter((entry) => after === undefined || compareNewestFirst(after, entry) < 0)
          .sort(compareNewestFirst)
        const items: readonly AuditEntry[] = found.slice(0, params.limit ?? limits.pageSizeDefault)
        const last = items.at(-1)
        return {
          items,
          nextCursor: last === undefined || items.length === found.length ? null : writeAuditCursor(last),
        }
      }),
  }
}

function compareNewestFirst(a: AuditPlace, b: AuditPlace): number {
  if (a.atMs !== b.atMs) return b.atMs - a.atMs
  if (a.actionId === b.actionId) return 0
  return a.actionId < b.actionId ? 1 : -1
}
