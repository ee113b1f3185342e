import type { AppendAudit, ListAudit } from '../contract/audit.js'
import { engineError } from '../errors/engine-error.js'
import { isUuid } from '../ids/index.js'
import { limits } from '../limits.js'
import { parseNamespace } from '../names.js'
import { checkList, checkObject, checkOptionalText, checkText, invalidParam } from './fields.js'
import { checkPageRequest } from './scope.js'

export function checkAppendAudit(params: AppendAudit): void {
  checkObject(params, '')
  const { actionId, namespace, actor, action, subjects, reason, outcome } = params
  if (typeof actionId !== 'string' || !isUuid(actionId)) throw invalidParam('actionId', 'must be a UUID')
  if (namespace !== null) parseNamespace(namespace)
  const max = limits.auditTextBytesMax
  checkText(actor, 'actor', max, 1)
  checkText(action, 'action', max, 1)
  checkList(subjects, 'subjects', limits.auditSubjectsMax)
  for (const subject of subjects) checkText(subject, 'subjects', max, 1)
  if (reason !== null) checkText(reason, 'reason', max)
  if (outcome !== null) checkText(outcome, 'outcome', max, 1)
}

/** The place of the last entry of the page before. */
export interface AuditPlace {
  readonly atMs: number
  readonly actionId: string
}

/** Answers where the page goes on. */
export function checkListAudit(params: ListAudit): AuditPlace | undefined {
  checkObject(params, '')
  checkPageRequest(params)
  if (params.namespace !== undefined) parseNamespace(params.namespace)
  checkOptionalText(params.actor, 'actor', limits.auditTextBytesMax)
  checkOptionalText(params.subject, 'subject', limits.auditTextBytesMax)
  return params.cursor === undefined ? undefined : readPlace(params.cursor)
}

/** The cursor that goes on behind an entry. */
export function writeAuditCursor({ atMs, actionId }: AuditPlace): string {
  return `${atMs}.${actionId}`
}

function readPlace(cursor: string): AuditPlace {
  const [atMs = '', actionId = '', ...rest] = cursor.split('.')
  if (rest.length > 0 || !/^\d{1,15}$/.test(atMs) || !isUuid(actionId)) {
    throw engineError('invalid_cursor', 'The cursor is malformed, or belongs to another listing')
  }
  return { atMs: Number(atMs), actionId }
}
