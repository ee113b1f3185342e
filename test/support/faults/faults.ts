import type { BudgetId, EntryId, ExecutionId, FlowId, LaneId, Namespace, QuotaId } from '@flowfabric/core'

/** An entry of the outbox, as far as tests look into it. */
export interface OutboxRow {
  readonly entryId: EntryId
  readonly executionId: ExecutionId | null
}

/** What public operations cannot make or show, on every store: by raw SQL or commands, or by reaching into the model. */
export interface Faults {
  /** What waits in the outbox of a flow's partition, oldest first. */
  outbox(): Promise<readonly OutboxRow[]>

  /** Leaves an entry about an execution's end, whether or not it has ended. */
  leaveEntry(entry: { readonly executionId: ExecutionId; readonly generation: number }): Promise<EntryId>

  /** Loses what the outbox holds, as a crash between two writes of a wrong implementation would. */
  dropOutbox(): Promise<void>

  /** Writes another policy kind into a stored group, as a newer version would; `null` stores none at all. */
  storePolicyKind(node: ExecutionId, kind: string | null): Promise<void>

  /** The pending set of sibling cancels, as `<flowId>|<downstreamId>`. */
  pendingTuples(): Promise<readonly string[]>

  /** Makes a summary claim something else about its flow. */
  storeSummaryState(flowId: FlowId, publicFlowState: string): Promise<void>
}

/** What only a store with tables or keys can suffer. Tests that need it are in files named `*.store.test.ts`. */
export interface StoreFaults extends Faults {
  /** Removes an execution's record, and nothing else of it. */
  purge(executionId: ExecutionId): Promise<void>
  /** Removes a flow's record, and nothing else of it. */
  purgeFlow(flowId: FlowId): Promise<void>
  /** Removes a node's group, and nothing else of it. */
  removeGroup(node: ExecutionId): Promise<void>
  /** Clears the flag of a group's sibling cancel, and leaves the tuple. */
  clearCancelFlag(node: ExecutionId): Promise<void>
  /** Forgets what a stored policy says about the others when it decides. */
  forgetOnDecided(node: ExecutionId): Promise<void>
  /** Makes every write to an execution fail, until the answer is called. */
  refuseWrites(executionId: ExecutionId): Promise<() => Promise<void>>
  /** Makes every write to a group fail, until the answer is called. */
  refuseGroupWrites(node: ExecutionId): Promise<() => Promise<void>>
  /** Makes every write to a flow's record fail, until the answer is called. */
  refuseFlowWrites(flowId: FlowId): Promise<() => Promise<void>>
  /** Stores something as a flow's summary that is none. */
  breakSummary(flowId: FlowId): Promise<void>
  /** Takes an execution out of the due-time index, as a forgotten write would. */
  forgetTimer(executionId: ExecutionId): Promise<void>
  /** Makes every write to a group raise an SQLSTATE, or what a store without them has for it, and counts the tries. */
  raiseInGroupWrites(
    node: ExecutionId,
    sqlState: string,
  ): Promise<{ tries(): Promise<number>; undo(): Promise<void> }>
  /** Lets an execution that does not run hold a slot of a quota, under no key. */
  leaveSlot(quotaId: QuotaId, holder: ExecutionId): Promise<void>
  /** Lets an execution that does not run have one token of a budget reserved. */
  leaveReservation(budgetId: BudgetId, holder: ExecutionId): Promise<void>
  /** Pauses a lane at its home alone, as a caller that dies on the way. Not on a store where that is one step. */
  pauseLaneHalfWay(namespace: Namespace, lane: LaneId): Promise<void>
  /** Begins the periods of budgets that are due, as a caller that dies right after. Of the one partition that tests have. */
  resetAndWakeNobody(): Promise<void>
}
