import type {
  BudgetDemandSpec,
  JoinSpec,
  Kind,
  LaneId,
  QuotaDemandSpec,
  RetryPolicy,
  Tags,
  Timeouts,
} from '@flowfabric/core'

/**
 * A flow as data: what `defineFlow` builds. Nodes are known by their names; ids come with the submit. It may be
 * printed, drawn, compared and validated without a server.
 */
export interface Graph {
  readonly name: string
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
  /** The nodes that the flow's results are read from, by the key under which the definition returned them. */
  readonly results: Readonly<Record<string, string>>
}

export interface GraphNode {
  /** Unique in the flow. */
  readonly name: string
  readonly kind: Kind
  readonly lane: LaneId
  readonly input: unknown
  readonly priority?: number | undefined
  readonly capabilities?: readonly string[] | undefined
  readonly tags?: Tags | undefined
  readonly retry?: RetryPolicy | undefined
  readonly timeouts?: Timeouts | undefined
  readonly delayMs?: number | undefined
  readonly startAtMs?: number | undefined
  readonly retentionMs?: number | undefined
  readonly maxReclaims?: number | undefined
  readonly traceContext?: string | undefined
  readonly budgets?: readonly BudgetDemandSpec[] | undefined
  readonly quotas?: readonly QuotaDemandSpec[] | undefined
  /** How its incoming edges are joined; absent where the default holds. */
  readonly join?: JoinSpec | undefined
}

export interface GraphEdge {
  readonly from: string
  readonly to: string
  /** The name under which `to` receives the result of `from`. */
  readonly as?: string | undefined
}
