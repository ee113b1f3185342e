import type { AttemptOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { listAttempts } from './list.js'
import { loadUpstream } from './load-upstream.js'
import { recordProgress } from './record-progress.js'
import { loadSteps, recordSteps } from './steps.js'

export function createAttempts(ctx: ValkeyContext): AttemptOperations {
  return {
    list: (params) => listAttempts(ctx, params),
    recordProgress: (params) => recordProgress(ctx, params),
    recordStep: (params) => recordSteps(ctx, params),
    loadSteps: (params) => loadSteps(ctx, params),
    loadUpstream: (params) => loadUpstream(ctx, params),
  }
}
