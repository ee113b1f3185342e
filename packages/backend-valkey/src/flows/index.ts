import type { FlowOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { createIdempotencyKeys } from '../idempotency/keys.js'
import { cancelFlow } from './cancel.js'
import { createDraft } from './create-draft.js'
import { extendFlow } from './extend.js'
import { getFlow } from './get.js'
import { getGraph } from './get-graph.js'
import { getFlowResult } from './get-result.js'
import { listFlows } from './list.js'
import { replayFlow } from './replay.js'
import { sealFlow } from './seal.js'
import { createFlowSubmitter } from './submit.js'

export function createFlows(ctx: ValkeyContext): FlowOperations {
  const keys = createIdempotencyKeys(ctx)
  return {
    submit: createFlowSubmitter(ctx, keys),
    createDraft: (params) => createDraft(ctx, keys, params),
    extend: (params) => extendFlow(ctx, params),
    seal: (params) => sealFlow(ctx, params),
    get: (params) => getFlow(ctx, params),
    getGraph: (params) => getGraph(ctx, params),
    getResult: (params) => getFlowResult(ctx, params),
    list: (params) => listFlows(ctx, params),
    cancel: (params) => cancelFlow(ctx, params),
    replay: (params) => replayFlow(ctx, params),
  }
}
