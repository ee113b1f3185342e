import {
  checkCancelFlow,
  checkCreateDraft,
  checkExtendFlow,
  checkGetFlow,
  checkGetGraph,
  checkListFlows,
  checkReplayFlow,
  checkSubmitFlow,
  type FlowOperations,
} from '@flowfabric/core'
import { findFlow, isTerminalFlow, membersOf, openMembersOf } from './facts.js'
import { answerOf, cancelFlow } from './flow-cancel.js'
import { pageByPosition, pageNewestFirst } from './pages.js'
import { replayFlow } from './replay.js'
import { isWithin } from './select.js'
import { resultOf } from './settlement.js'
import { step } from './step.js'
import { type Model, operate, waitFor } from './store.js'
import { createDraft, extendFlow, sealFlow, submitFlow } from './submission.js'
import { viewFlow, viewNode } from './views.js'

export function createFlows(model: Model): FlowOperations {
  return {
    submit: (params) =>
      operate(model, () => {
        checkSubmitFlow(params, model.partitions)
        return submitFlow(model, params)
      }),

    createDraft: (params) =>
      operate(model, () => {
        checkCreateDraft(params, model.partitions)
        return createDraft(model, params)
      }),

    extend: (params) =>
      operate(model, () => {
        const handle = checkExtendFlow(params, model.partitions)
        return step(model, () => extendFlow(model, params, handle))
      }),

    seal: (params) =>
      operate(model, () => {
        checkGetFlow(params)
        return sealFlow(model, params)
      }),

    get: (params) =>
      operate(model, () => {
        checkGetFlow(params)
        const flow = findFlow(model, params.namespace, params.flowId)
        return { outcome: 'found' as const, flow: viewFlow(model, flow) }
      }),

    getGraph: (params) =>
      operate(model, () => {
        checkGetGraph(params)
        const flow = findFlow(model, params.namespace, params.flowId)
        const page = pageByPosition(membersOf(model, flow), params)
        return { ...page, items: page.items.map((x) => viewNode(flow, x)) }
      }),

    getResult: (params) =>
      operate(model, () => {
        checkGetFlow(params)
        const flow = findFlow(model, params.namespace, params.flowId)
        switch (flow.state) {
          case 'completed':
          case 'failed':
          case 'cancelled':
            return flow.frozenResult ?? resultOf(model, flow, flow.state)
          default:
            return { outcome: 'pending' as const, flowState: flow.state }
        }
      }),

    list: (params) =>
      operate(model, () => {
        checkListFlows(params)
        const { namespace, states, tags = {}, name } = params
        const found = [...model.flows.values()].filter(
          (flow) =>
            flow.namespace === namespace &&
            (states === undefined || states.includes(flow.state)) &&
            (name === undefined || flow.name === name) &&
            isWithin(flow, params) &&
            Object.entries(tags).every(([key, value]) => flow.tags[key] === value),
        )
        const page = pageNewestFirst(found, params)
        return { ...page, items: page.items.map((flow) => viewFlow(model, flow)) }
      }),

    cancel: async (params) => {
      const outcome = await operate(model, () => {
        checkCancelFlow(params)
        return step(model, () => cancelFlow(model, params))
      })
      if (outcome.outcome !== 'cancelling' || !params.waitMs) return outcome
      const over = await waitFor(model, { ms: params.waitMs }, () => {
        const flow = findFlow(model, params.namespace, params.flowId)
        return isTerminalFlow(flow) || openMembersOf(model, flow).length === 0 ? true : undefined
      })
      if (over) return { outcome: 'cancelled' }
      return operate(model, () => answerOf(model, findFlow(model, params.namespace, params.flowId)))
    },

    replay: (params) =>
      operate(model, () => {
        checkReplayFlow(params, model.partitions)
        return step(model, () => replayFlow(model, params))
      }),
  }
}
