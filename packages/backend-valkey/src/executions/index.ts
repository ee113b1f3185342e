import type { ExecutionOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { Claimer } from '../leases/claimer.js'
import { cancelExecution } from './cancel.js'
import { changePriority } from './change-priority.js'
import { countExecutions } from './count.js'
import { explainFacts } from './explain-facts.js'
import { getExecution } from './get.js'
import { getResults } from './get-result.js'
import { holdExecution, releaseExecution } from './hold.js'
import { listExecutions } from './list.js'
import { replayExecution } from './replay.js'
import { setTags } from './set-tags.js'
import { createSubmit } from './submit.js'

export function createExecutions(ctx: ValkeyContext, claimer: Claimer): ExecutionOperations {
  return {
    submit: createSubmit(ctx, claimer),
    get: (params) => getExecution(ctx, params),
    getResult: (params) => getResults(ctx, params),
    list: (params) => listExecutions(ctx, params),
    count: (params) => countExecutions(ctx, params),
    cancel: (params) => cancelExecution(ctx, params),
    replay: (params) => replayExecution(ctx, params),
    hold: (params) => holdExecution(ctx, params),
    release: (params) => releaseExecution(ctx, params),
    changePriority: (params) => changePriority(ctx, params),
    setTags: (params) => setTags(ctx, params),
    explainFacts: (params) => explainFacts(ctx, params),
  }
}
