import type { ResolutionOperations } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { drainCancelBacklog } from './cancel-backlog.js'
import { type DependencyCursors, reconcileDependencies } from './dependencies.js'
import { dispatchCompletion, dispatchCompletions } from './dispatch.js'
import { projectSummaries } from './projection.js'
import { drainSiblingCancels, reconcileSiblingCancels } from './sibling-cancels.js'

export function createResolution(ctx: ValkeyContext): ResolutionOperations {
  const cursors: DependencyCursors = new Map()
  return {
    dispatchCompletion: (params) => dispatchCompletion(ctx, params),
    dispatchCompletions: (params) => dispatchCompletions(ctx, params),
    drainSiblingCancels: (params) => drainSiblingCancels(ctx, params),
    reconcileSiblingCancels: (params) => reconcileSiblingCancels(ctx, params),
    drainCancelBacklog: (params) => drainCancelBacklog(ctx, params),
    reconcileDependencies: (params) => reconcileDependencies(ctx, cursors, params),
    projectSummaries: (params) => projectSummaries(ctx, params),
  }
}
