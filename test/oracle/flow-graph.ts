import type { ExecutionId, FlowEdge, FlowNode, JoinPolicySpec, Kind, LaneId } from '@flowfabric/core'
import type { BuiltNodes, NodeChoice } from './script.js'

export interface GraphContext {
  readonly lane: LaneId
  readonly kind: Kind
  readonly idOf: (name: string) => ExecutionId
}

/** What a caller submits for the nodes of a script; each edge hands down its result as `from-<name>`. */
export function toFlowGraph(
  { specs, edges, choices }: BuiltNodes,
  { lane, kind, idOf }: GraphContext,
): { nodes: FlowNode[]; edges: FlowEdge[] } {
  const nodes = specs.map((spec): FlowNode => {
    const choice = spec.join === null ? undefined : choices.get(spec.name)
    const n = edges.filter(({ to }) => to === spec.name).length
    return {
      id: idOf(spec.name),
      name: spec.name,
      kind,
      lane,
      input: null,
      retry: {
        maxAttempts: spec.maxAttempts,
        backoff: { kind: 'fixed', initialMs: 0, multiplier: 1, maxMs: 0, jitter: false },
        nonRetryable: [],
      },
      ...(spec.deadlineMs === null ? {} : { timeouts: { deadlineMs: spec.deadlineMs } }),
      ...(spec.startInMs === null ? {} : { delayMs: spec.startInMs }),
      ...(choice === undefined ? {} : { join: joinSpec(choice, n, spec.join?.k ?? n) }),
    }
  })
  return {
    nodes,
    edges: edges.map(({ from, to }) => ({ from: idOf(from), to: idOf(to), as: `from-${from}` })),
  }
}

function joinSpec(choice: NodeChoice, n: number, k: number): FlowNode['join'] {
  const option =
    choice.cancels === undefined
      ? {}
      : {
          [choice.policy === 'all_of' ? 'onImpossible' : 'onSatisfied']: choice.cancels
            ? 'cancel_remaining'
            : 'let_run',
        }
  const policy = {
    kind: choice.policy,
    ...(choice.policy === 'quorum' ? { k: Math.min(k, n) } : {}),
    ...option,
  }
  return {
    policy: policy as JoinPolicySpec,
    runOn: choice.runOn,
    settled: choice.settled,
    cancelShared: choice.cancelShared,
    ancestors: choice.ancestors ? 'cancel' : 'let_run',
  }
}
