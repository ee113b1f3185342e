import {
  checkGraph,
  checkSubmitFlow,
  engineError,
  type FlowOperations,
  isEngineError,
  partitionOfFlow,
} from '@flowfabric/core'
import { sqlStateOf } from '../db/fault.js'
import { toGraphRows } from '../flows/node-rows.js'
import { describeFlow, hintsOf, toOutcome, UNIQUE_VIOLATION, type VerdictRow } from '../flows/submit.js'
import type { Inside } from './submits.js'

const types = ['json', 'json', 'json', 'json']

/** As the ordinary submit of a flow, in the user's transaction. */
export function createFlowSubmitInside({ look, call, foretell }: Inside): FlowOperations['submit'] {
  return async (params) => {
    const counts = await look.partitions()
    checkSubmitFlow(params, counts)
    if (params.parent !== undefined) {
      const message = "is not for a transaction of the user's own"
      throw engineError('invalid_params', `parent: ${message}`, { issues: [{ path: 'parent', message }] })
    }
    await look.demands.require(params.namespace, params.nodes)
    checkGraph(params)
    const { namespace, flowId } = params
    const partition = partitionOfFlow(flowId, counts.flow)
    const rows = await toGraphRows(look, namespace, params.nodes, params.edges)
    if ('crowdedLane' in rows) return { outcome: 'too_many_routes', lane: rows.crowdedLane }
    const hints = hintsOf(params, partition, rows)
    const values = [describeFlow(params, partition, rows), rows.nodes, rows.edges, hints]
    let verdict: VerdictRow
    try {
      verdict = (await call(
        'submit_flow_inside',
        types,
        values.map((each) => JSON.stringify(each)),
      )) as VerdictRow
    } catch (fault) {
      // The id of a member is taken. Nothing is told about the other.
      if (isEngineError(fault) && sqlStateOf(fault) === UNIQUE_VIOLATION) return { outcome: 'flow_conflict' }
      throw fault
    }
    if (verdict.outcome === 'accepted') foretell(hints)
    return toOutcome(look.catalog, flowId, verdict)
  }
}
