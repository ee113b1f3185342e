import type { ExecutionSubmission } from '@flowfabric/core'
import { bytesOf, steadyRetry } from '../../support/builders.js'

/** Everything that a submitter may state, but for a delay. */
export const everyOption = {
  input: bytesOf('in'),
  priority: 5,
  capabilities: ['gpu', 'arm'],
  tags: { 'a.b': 'c', 'd.e': '' },
  retry: steadyRetry({ maxAttempts: 2, nonRetryable: ['fatal'] }),
  timeouts: { deadlineMs: 100_000, queueTtlMs: 3_000, attemptTimeoutMs: 10_000 },
  retentionMs: 5_000,
  maxReclaims: 1,
  traceContext: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
} satisfies Partial<ExecutionSubmission>
