import {
  type DispatchOutcome,
  type EntryId,
  isEngineError,
  type ResolutionOperations,
} from '@flowfabric/core'
import { errorFields, type Logger } from './logger.js'
import type { EngineMetrics } from './metrics/engine-metrics.js'

export interface DispatcherOptions {
  readonly resolution: Pick<ResolutionOperations, 'dispatchCompletion'>
  readonly logger: Logger
  readonly metrics: EngineMetrics
}

/**
 * Carries a completion to its downstreams, one outbox entry at a time. Whole outboxes are drained by the
 * `completion_dispatcher` scanner, which the supervisor runs on outbox hints at once and after every pulse that shows
 * entries; this is the same step for who knows the entry.
 */
export interface Dispatcher {
  /** `noop`: unknown, done, or in other hands. `advanced`: what this call changed. Throws `retry_exhausted` under contention. */
  dispatch(entryId: EntryId): Promise<DispatchOutcome>
}

export function createDispatcher({ resolution, logger, metrics }: DispatcherOptions): Dispatcher {
  return {
    async dispatch(entryId) {
      try {
        const outcome = await resolution.dispatchCompletion({ entryId })
        metrics.dispatches.add(1, { outcome: outcome.outcome })
        if (outcome.outcome === 'advanced') reportAdvance(entryId, outcome)
        return outcome
      } catch (error) {
        const exhausted = isEngineError(error, 'retry_exhausted')
        metrics.dispatches.add(1, { outcome: exhausted ? 'retry_exhausted' : 'error' })
        if (exhausted) metrics.hopRetries.add(1, { alert: 'no' })
        logger.log('warn', 'An outbox entry was left where it is', { entryId, ...errorFields(error) })
        throw error
      }
    },
  }

  function reportAdvance(entryId: EntryId, advance: Extract<DispatchOutcome, { outcome: 'advanced' }>): void {
    const { edges, satisfied, impossible, skipped, corrupt } = advance
    metrics.edgesResolved.add(edges, { decision: 'edge' })
    metrics.edgesResolved.add(satisfied, { decision: 'satisfied' })
    metrics.edgesResolved.add(impossible, { decision: 'impossible' })
    metrics.edgesResolved.add(skipped, { decision: 'skipped' })
    metrics.edgesResolved.add(corrupt.length, { decision: 'corruption' })
    if (edges + skipped > 0) {
      logger.log('info', 'A completion was dispatched', { entryId, edges, satisfied, impossible, skipped })
    }
    for (const raw of corrupt) logger.log('error', 'A record of an edge does not decode', { entryId, raw })
  }
}
