/**
 * Every named bound of the system: the defaults. Over a bound is a typed error, never a slow server.
 * Units are in the names: `…Bytes`, `…Ms`, `…Chars`; what has no unit is a count.
 */
export const limits = {
  // Payloads and names.
  /** An input, a result or a signal's payload. `payload_too_large`. */
  payloadBytesMax: 1_048_576,
  /** Lane, namespace, kind, worker id, node, edge, step and waitpoint names. */
  nameCharsMax: 128,
  /** Tags of an execution. `too_many_tags`. */
  tagsMax: 32,
  /** The key of a tag. `tag_too_long`. */
  tagKeyCharsMax: 128,
  /** The value of a tag, as UTF-8. `tag_too_long`. */
  tagValueBytesMax: 256,
  /** Tokens of a capability set. `too_many_capabilities`. */
  capabilitiesMax: 256,
  /** A capability set, its tokens joined by commas, as UTF-8. `too_many_capabilities`. */
  capabilitiesBytesMax: 4_096,
  /** An idempotency key, as UTF-8. */
  idempotencyKeyBytesMax: 512,
  /** The message of a reported progress, as UTF-8. */
  progressMessageBytesMax: 1_024,
  /** The message of a recorded failure, as UTF-8; longer ones are cut by the worker. */
  failureMessageBytesMax: 4_096,
  /** Reason and actor that an operator states, as UTF-8. */
  reasonBytesMax: 512,
  /** Trace context (W3C `traceparent` and `tracestate`). */
  traceContextBytesMax: 1_024,

  // Policies.
  /** Priorities are 0…this, higher first. `invalid_priority`. */
  priorityMax: 9_000,
  /** Attempts of types initial and retry, unless the retry policy says otherwise. */
  attemptsDefault: 3,
  /** The greatest number that a retry policy may ask for. */
  attemptsMax: 1_000,
  /** First pause of the default retry policy; it doubles, with full jitter. */
  backoffInitialMsDefault: 1_000,
  /** Longest pause of the default retry policy. */
  backoffMaxMsDefault: 300_000,
  /** The longest duration that any policy may name: 10 years. */
  durationMsMax: 315_576_000_000,
  /** The latest time that a caller may name: the end of the year 9999. */
  timeMsMax: 253_402_300_799_999,
  /** Lease time to live; renewed at a third of it. */
  leaseTtlMsDefault: 30_000,
  leaseTtlMsMin: 1_000,
  leaseTtlMsMax: 3_600_000,
  /** Leases that an execution may lose before it ends as failed, `max_reclaims_exceeded`. */
  reclaimsMax: 20,
  /** Pause before the second reclaim; it doubles, with jitter. The first reclaim comes at once. */
  reclaimBackoffInitialMs: 1_000,
  reclaimBackoffMaxMs: 60_000,
  /** Replays of an execution. `max_replays_exceeded`. */
  replaysMax: 10,
  /** The grace of a cancel before the lease is revoked. */
  cancelGraceMsMax: 300_000,

  // Batches and pages of one call. `batch_too_large`.
  submitBatchMax: 1_000,
  claimBatchMax: 256,
  completeBatchMax: 256,
  failBatchMax: 256,
  renewBatchMax: 1_000,
  yieldBatchMax: 1_000,
  delayBatchMax: 1_000,
  suspendBatchMax: 256,
  progressBatchMax: 1_000,
  stepBatchMax: 256,
  resultBatchMax: 1_000,
  /** Entries of a page, and what a page holds unless asked. */
  pageSizeMax: 1_000,
  pageSizeDefault: 100,
  /** A long poll of a claim, a feed or a stream. */
  waitMsMax: 30_000,
  /** A wait for a result, or for a flow's cancel, in one call. */
  resultWaitMsMax: 30_000,
  /** The body of an HTTP request. `body_too_large`. */
  bodyBytesMax: 16_777_216,
  /** Nesting of a JSON body. */
  jsonDepthMax: 64,
  /** Filters of one listing that may name several values each. */
  filterValuesMax: 100,
  /** Groups of a count that are told, the largest. */
  countGroupsMax: 1_000,

  // Flows.
  /** Nodes of one call. `too_many_nodes`. Larger graphs are drafts. */
  nodesPerCallMax: 1_000,
  /** Edges of one call. `too_many_edges`. */
  edgesPerCallMax: 5_000,
  /** Members and edges that one check for cycles visits beyond the call's own. `cycle_check_exceeded`. */
  cycleCheckEdgesMax: 50_000,
  /** A graph that is submitted in several steps and unfinished after this is removed without a trace. */
  stagedSubmitMs: 60_000,
  /** Time to live of a draft that is not sealed. */
  draftTtlMs: 86_400_000,
  /** Edges that one step resolves for one completion. */
  hopMaxEdges: 64,
  /** Edges that one call or transaction resolves for all completions in it. */
  callMaxEdges: 512,
  /** Index writes of one call that resolves edges. */
  callMaxIndexWrites: 1_000,
  /** Tries of a hop under contention, the first included; the pauses between are 5·2ⁿ ms. */
  hopTriesMax: 3,
  hopBackoffInitialMs: 5,
  /** Longest pause before a left outbox entry is taken again. */
  outboxBackoffMaxMs: 60_000,
  /** Failures of an outbox entry that raise the alert metric. */
  outboxFailuresAlert: 10,
  /** For how long a claimed outbox entry stays with its claimer. */
  outboxClaimTtlMs: 30_000,
  /** Groups of a partition and pass of the sibling-cancel dispatcher. */
  siblingCancelGroupsMax: 50,
  /** Siblings of a partition and pass of the sibling-cancel dispatcher. */
  siblingCancelMembersMax: 1_000,
  /** Pending tuples that the sibling-cancel reconciler samples in a partition and pass. */
  siblingReconcileSampleMax: 50,
  /** Findings of a partition and pass of the dependency reconciler. */
  dependencyReconcileMax: 100,
  /** Flows that the projector reads at a time. */
  projectorBatchMax: 100,

  // Upstream results and the journal.
  /** Upstream results and journal that a claim carries per execution; the rest is paged. */
  inlineUpstreamBytesMax: 262_144,
  /** Entries of an execution's journal. `journal_full`. */
  journalEntriesMax: 1_000,
  /** An execution's journal in all. `journal_full`. */
  journalBytesMax: 8_388_608,

  // Lanes and routes.
  /**
   * Live routes of a lane, those that an execution that has not ended needs. One more is refused at the latest where one
   * partition has so many, and never before the lane has. `too_many_routes`.
   */
  routesPerLaneMax: 1_024,
  /** Routes that one claim asks; they rotate. */
  routesPerClaimMax: 64,
  /** Lanes, kinds and namespaces that one claim names. */
  claimLanesMax: 256,
  claimKindsMax: 1_024,
  claimNamespacesMax: 256,
  /** Weight of a lane among those of one claim. */
  laneWeightMax: 1_000,

  // Suspensions, signals, streams.
  /** Depth of a resume condition. `condition_too_large`. */
  conditionDepthMax: 4,
  /** Nodes of a resume condition. `condition_too_large`. */
  conditionNodesMax: 64,
  /** A resume condition as JSON, as UTF-8. `condition_too_large`. */
  conditionBytesMax: 65_536,
  /** What the counts of a resume condition add up to. `condition_too_large`. */
  conditionCountMax: 1_000,
  /** Depth of a payload matcher. `condition_too_large`. */
  matcherDepthMax: 4,
  /** Nodes of a payload matcher. `condition_too_large`. */
  matcherNodesMax: 64,
  /** Waitpoints of an execution. `too_many_waitpoints`. */
  waitpointsMax: 1_000,
  /** Waitpoints that one suspension creates. */
  newWaitpointsMax: 64,
  /** Signals that a waitpoint keeps without a suspension that counts them. `too_many_signals`. */
  earlySignalsMax: 10_000,
  /** Early signals that one step of a suspension looks at. */
  judgedSignalsMax: 256,
  /** Payloads of early signals that one step of a suspension looks at, unless the first alone is longer. */
  judgedSignalBytesMax: 1_048_576,
  /** The source of a signal, as UTF-8. */
  signalSourceBytesMax: 256,
  /** Tries of one delivery while others change the same suspension, the first included. `retry_exhausted`. */
  signalTriesMax: 20,
  /** Payloads of signals that a claim carries; the rest is paged. */
  inlineSignalBytesMax: 262_144,
  /** Children of a stopped parent that one step cancels, and parents that one step tells of a child's end. */
  familyBatchMax: 100,
  /** A stream frame. `frame_too_large`. */
  frameBytesMax: 65_536,
  /** Frames of one append. */
  frameBatchMax: 256,
  /** Durable frames of an attempt. `stream_full`. */
  streamFramesMax: 10_000,
  /** Durable frames of an attempt, in all. `stream_full`. */
  streamBytesMax: 8_388_608,
  /** Other frames that an attempt keeps: the newest. Older ones go when the next comes. */
  cappedFramesMax: 1_000,
  /** The same in bytes. */
  cappedBytesMax: 1_048_576,
  /** For how long at most such a frame is kept when another one comes. */
  cappedAgeMsMax: 3_600_000,
  /** The summary document of an attempt. `stream_full`. */
  summaryBytesMax: 65_536,
  /** Frames of one page, in all, unless its first is longer. */
  streamPageBytesMax: 4_194_304,

  // Budgets and quotas.
  /** Dimensions of a budget. `too_many_dimensions`. */
  budgetDimensionsMax: 64,
  /** Budgets that an execution names. `too_many_budgets`. */
  budgetsPerExecutionMax: 8,
  /** Quotas that an execution names. `too_many_quotas`. */
  quotasPerExecutionMax: 8,
  /** A reservation that isn't confirmed by a claim lapses after this. */
  reservationTtlMs: 10_000,
  /** A limit of a budget, and an amount of one report. `limit_exceeded`. */
  amountMax: 1_000_000_000_000_000,
  /** An amount of an estimate. `limit_exceeded`. */
  estimateMax: 1_000_000_000_000,
  /** What is spent of a dimension in a period. `limit_exceeded`. */
  amountSumMax: 9_000_000_000_000_000,
  /** The name of a dimension. */
  dimensionCharsMax: 64,
  /** The key of a quota, as UTF-8. */
  quotaKeyBytesMax: 256,
  /** What tells uses of a quota by one attempt apart, as UTF-8. */
  holderKeyBytesMax: 256,
  /** Slots and rate units of a quota, and what one start costs of the latter. `limit_exceeded`. */
  quotaUnitsMax: 1_000_000_000,
  /** Into so many steps a window is cut at most, which is how exact a rate is. */
  rateSteps: 1_000,
  usageBatchMax: 1_000,
  acquireBatchMax: 256,
  /** Executions that one claim ends because a quota has no room for them. */
  claimDropsMax: 100,

  // Schedules.
  /** The shortest interval. `invalid_schedule`. */
  scheduleIntervalMsMin: 1_000,
  /** A cron text. `invalid_schedule`. */
  scheduleExpressionCharsMax: 256,
  /** What a tick starts, as it is stored. `payload_too_large`. */
  scheduleWorkBytesMax: 2_097_152,
  /** How far a fire may be moved. */
  scheduleJitterMsMax: 86_400_000,
  /** How far back missed ticks are caught up, unless the schedule says otherwise. */
  scheduleCatchUpMsDefault: 86_400_000,
  /** A shorter window would lose ticks to the death of a partition's owner. */
  scheduleCatchUpMsMin: 30_000,
  /** Next fire times that `schedules.get` shows. */
  scheduleNextFires: 10,
  /** Ticks of one schedule that one call takes. */
  scheduleTicksPerCall: 100,
  /** What a schedule remembers as running. */
  scheduleRunningMax: 100,
  /** Ticks that wait for what runs. More are skipped. */
  scheduleBufferedMax: 1_000,
  /** Ticks of one backfill. `limit_exceeded`. */
  scheduleBackfillTicksMax: 1_000,
  /** Backfills of a schedule under way. `limit_exceeded`. */
  scheduleBackfillsMax: 10,
  /** Trigger keys that a schedule remembers, and for how long. */
  scheduleTriggersKept: 100,
  scheduleTriggerKeyTtlMs: 86_400_000,
  /** A start that was recorded and not confirmed is repeated by others after this. */
  scheduleStartRepeatMs: 5_000,
  /** Between two looks whether what waits may start. */
  scheduleLookMsMin: 250,
  scheduleLookMsMax: 10_000,
  /** Writes of one record that lose to others before a call gives up. `contention`. */
  scheduleTriesMax: 20,

  // Bulk operations.
  /** Executions of one batch. */
  operationBatchMax: 100,
  /** A batch that was recorded and not settled is carried out by others after this. */
  operationBatchRepeatMs: 5_000,
  /** Bulk operations that one call works on. */
  operationsPerCall: 8,
  /** Failures that a bulk operation tells. */
  operationFailuresKept: 100,
  /** For how long one that has ended is kept. */
  operationRetentionMs: 604_800_000,
  /** Writes of one record that lose to others before a call gives up. `contention`. */
  operationTriesMax: 20,

  // Webhooks.
  /** Webhooks of a namespace. `too_many_records`. */
  webhooksMax: 100,
  /** An address. `invalid_webhook_url`. */
  webhookUrlCharsMax: 2_048,
  /** Names of events that a webhook's filter lists. */
  webhookNamesMax: 64,
  /** Tries of a delivery: by default, and at most. */
  webhookAttemptsDefault: 12,
  webhookAttemptsMax: 20,
  /** Deliveries of a webhook that wait. While there are so many, the feed is not read for it. */
  webhookPendingMax: 500,
  /** Events that one look into the feed takes. */
  webhookEventsPerLook: 100,
  /** Deliveries of a webhook that are under way at once; one, after so many failures in a row. */
  webhookInHandMax: 16,
  webhookFailuresInRow: 5,
  /** Deliveries that were given up, and that arrived, which a webhook still shows. */
  webhookFailedKept: 100,
  webhookDeliveredKept: 20,
  /** Who was handed a delivery reports within this, or it is handed out again: by default, and at most. */
  webhookLeaseMsDefault: 60_000,
  webhookLeaseMsMin: 1_000,
  webhookLeaseMsMax: 600_000,
  /** What a receiver has for its answer. */
  webhookTimeoutMs: 15_000,
  /** What is read of an answer's body, which is looked at by nobody. */
  webhookAnswerBytesMax: 65_536,
  /** The pause after the first failure; three times as long after each, with jitter. */
  webhookRetryMsMin: 5_000,
  webhookRetryMsMax: 21_600_000,
  /** A webhook that fails for so long, without one success, is disabled: 5 days. */
  webhookFailingMsMax: 432_000_000,
  /** Between two looks into the feed that found nothing; hints bring the next one forward. */
  webhookLookMsMin: 1_000,
  webhookLookMsMax: 5_000,
  /** Reports of one call. `batch_too_large`. */
  webhookReportsMax: 1_000,
  /** Webhooks that one call works on. */
  webhooksPerCall: 16,
  /** For how long an earlier secret still signs: by default, and at most 7 days. */
  webhookOverlapMsDefault: 86_400_000,
  webhookOverlapMsMax: 604_800_000,
  /** Secrets of a webhook that sign. `too_many_records`. */
  webhookSecretsMax: 5,
  /** Writes of one record that lose to others before a call gives up. `contention`. */
  webhookTriesMax: 20,

  // Signing keys, tokens, namespaces and the audit log.
  /** Signing keys, API tokens and namespaces that a deployment keeps, of each. `too_many_records`. */
  recordsMax: 10_000,
  /** The label of a token or a namespace, as UTF-8. */
  labelBytesMax: 256,
  /** Namespaces, and lanes, that a token names. */
  tokenNamesMax: 256,
  /** For how long a revoked or expired token is listed. */
  tokenKeptMs: 2_592_000_000,
  /** The secret of a signing key, as UTF-8. */
  signingSecretBytesMin: 32,
  signingSecretBytesMax: 1_024,
  /** The source that a waitpoint's token carries, as UTF-8. */
  tokenSourceBytesMax: 256,
  /** Ids and names that an entry of the audit log names. */
  auditSubjectsMax: 100,
  /** Each text of an entry of the audit log, as UTF-8. */
  auditTextBytesMax: 512,
  /** For how long an entry of the audit log is kept. */
  auditAgeMsMax: 31_536_000_000,

  // The feed and retention.
  /** Events that a partition keeps. A reader behind that gets `cursor_expired`. */
  feedLengthMax: 100_000,
  /** For how long a partition keeps an event. A reader behind that gets `cursor_expired`. */
  feedAgeMsMax: 604_800_000,
  /** Events of one read. */
  feedReadMax: 1_000,
  /** For how long a terminal execution is kept, unless its lane or itself says otherwise. */
  retentionMsDefault: 86_400_000,
  /** For how long an idempotency key, and that of a signal, is kept. */
  idempotencyTtlMs: 86_400_000,
  /** Items of one pass of a scanner in a partition. */
  scannerBatchMax: 500,
} as const
