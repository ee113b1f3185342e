import type {
  CancelFlowOutcome,
  ExecutionId,
  Flow,
  FlowCancelPolicy,
  FlowId,
  FlowNodeView,
  ReplayFlowOutcome,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { FlowNotCompletedError, ResultTimeoutError } from '../errors.js'
import { deriveMemberId } from '../flows/materialise-graph.js'
import { decodeResults } from '../payload/decode-results.js'
import type { ClientCore } from './client-core.js'
import type { FlowEnd } from './ends.js'
import { createExecutionHandle, type ExecutionHandle, type ResultOptions } from './execution-handle.js'
import { listPages } from './list-pages.js'

export interface CancelFlowOptions {
  /** Default `cancel_all`. */
  readonly policy?: FlowCancelPolicy | undefined
  /** `false`: finalisers do not run either. */
  readonly finalisers?: boolean | undefined
  readonly reason?: string | undefined
  /** Answer when the members are terminal, or how many remain after this. */
  readonly waitMs?: number | undefined
}

export interface ReplayFlowOptions {
  /** Default: what failed, with what depends on it. */
  readonly from?: 'failed' | readonly ExecutionId[] | undefined
  readonly reason?: string | undefined
}

/** A flow, from the outside. */
export interface FlowHandle<Results = Readonly<Record<string, unknown>>> {
  readonly id: FlowId
  readonly isDuplicate: boolean
  /** The record with its newest summary. */
  status(): Promise<Flow>
  /** All members with their edges and joins, in order of creation. */
  graph(): Promise<readonly FlowNodeView[]>
  /** A member that the flow was submitted with, by its name. */
  member<Output = unknown>(name: string): Promise<ExecutionHandle<Output>>
  /**
   * The results of its last nodes, as soon as the flow has completed. Throws `FlowNotCompletedError` when it ended
   * otherwise, and `ResultTimeoutError` when the time is over.
   */
  result(options?: ResultOptions): Promise<Results>
  /** The recorded end with the results as payloads, whatever it is. Throws `ResultTimeoutError`. */
  end(options?: ResultOptions): Promise<FlowEnd>
  cancel(options?: CancelFlowOptions): Promise<CancelFlowOutcome>
  replay(options?: ReplayFlowOptions): Promise<ReplayFlowOutcome>
}

/** `names` says which node's result is read under which key; without it every result is read under its node's name. */
export function createFlowHandle<Results>(
  core: ClientCore,
  id: FlowId,
  isDuplicate = false,
  names?: Readonly<Record<string, string>>,
): FlowHandle<Results> {
  const subject = { namespace: core.namespace, flowId: id }

  async function end({ timeoutMs }: ResultOptions = {}): Promise<FlowEnd> {
    const found = await core.ends.ofFlow(id, timeoutMs)
    if (found === undefined) throw new ResultTimeoutError(id, timeoutMs ?? 0)
    return found
  }

  return {
    id,
    isDuplicate,
    end,
    status: async () => (await callSafely(() => core.backend.flows.get(subject))).flow,
    graph: () => listPages((page) => callSafely(() => core.backend.flows.getGraph({ ...subject, ...page }))),
    async member(name) {
      await core.placement.prepare()
      return createExecutionHandle(core, deriveMemberId(id, name, core.placement.partitionOfFlow(id)))
    },
    async result(options) {
      const found = await end(options)
      if (found.outcome !== 'completed')
        throw new FlowNotCompletedError({ ...found, outcome: found.outcome, flowId: id })
      return (await decodeResults(core.codec, found.results, names)) as Results
    },
    cancel: (options = {}) =>
      callSafely(() =>
        core.backend.flows.cancel({ ...subject, ...options, policy: options.policy ?? 'cancel_all' }),
      ),
    // Not repeated by itself: a second one may meet what the first one has set going.
    replay: (options = {}) =>
      core.backend.flows.replay({ ...subject, ...options, from: options.from ?? 'failed' }),
  }
}
