import { type AuditOperations, isEngineError, mintUuid, type Namespace } from '@flowfabric/core'
import type { FastifyBaseLogger } from 'fastify'

declare module 'fastify' {
  interface FastifyInstance {
    readonly auditTrail: AuditTrail
  }
}

/** An operator's action before it is carried out. */
export interface AskedAction {
  readonly actor: string
  readonly action: string
  readonly namespace: Namespace | null
  readonly params: unknown
}

export interface AuditTrail {
  /**
   * Records the action, carries it out, and records what came of it. What cannot be recorded is not carried out; what came
   * of it is told to the caller also when the second record fails, which leaves an entry without an outcome, as a crash
   * between does.
   */
  record<Answer>(
    asked: AskedAction,
    logger: FastifyBaseLogger,
    carryOut: () => Promise<Answer>,
  ): Promise<Answer>
}

export function createAuditTrail(audit: AuditOperations): AuditTrail {
  return {
    async record({ actor, action, namespace, params }, logger, carryOut) {
      const entry = {
        actionId: mintUuid(),
        actor,
        action,
        namespace,
        // What concerns the whole deployment may be about one of its namespaces.
        subjects: subjectsOf(params, namespace === null ? [...subjectFields, 'namespace'] : subjectFields),
        reason: reasonOf(params),
      }
      await audit.append({ ...entry, outcome: null })
      const complete = async (outcome: string) => {
        try {
          await audit.append({ ...entry, outcome })
        } catch (err) {
          logger.warn({ err, actionId: entry.actionId, action }, 'An action’s outcome could not be recorded')
        }
      }
      try {
        const answer = await carryOut()
        await complete(outcomeOf(answer))
        return answer
      } catch (error) {
        await complete(isEngineError(error) ? error.code : 'internal_error')
        throw error
      }
    },
  }
}

/** Fields of params that say what an operation is about. */
const subjectFields = [
  'id',
  'executionId',
  'flowId',
  'lane',
  'instanceId',
  'scheduleId',
  'waitpointId',
  'operationId',
  'webhookId',
  'deliveryId',
  'tokenId',
  'keyId',
] as const

function subjectsOf(params: unknown, names: readonly string[]): readonly string[] {
  const fields = (params ?? {}) as Readonly<Record<string, unknown>>
  return names.flatMap((name) => {
    const value = fields[name]
    return typeof value === 'string' && value !== '' ? [value] : []
  })
}

function reasonOf(params: unknown): string | null {
  const { reason, work } = (params ?? {}) as { readonly reason?: unknown; readonly work?: unknown }
  if (typeof reason === 'string') return reason
  // Bulk work states its own.
  return work === undefined ? null : reasonOf(work)
}

function outcomeOf(answer: unknown): string {
  const { outcome } = (answer ?? {}) as { readonly outcome?: unknown }
  return typeof outcome === 'string' ? outcome : 'done'
}
