import type {
  AppendFrameOutcome,
  DelayLeases,
  DelayOutcome,
  FencingRefusal,
  FrameToAppend,
  InstanceId,
  Kind,
  LaneId,
  Namespace,
  RecordStepOutcome,
  RecordSteps,
  SuspendItem,
  SuspendOutcome,
  WorkerBackend,
  WorkerId,
} from '@flowfabric/core'
import type { CallBatcher } from '../calls/call-batcher.js'
import type { Links } from '../connection/connection.js'
import type { Codec } from '../payload/codec.js'
import type { AbortReason } from './abort-reason.js'
import type { HeldLease, LeaseTable } from './held-lease.js'
import type { Logger } from './logger.js'
import type { ProgressReporter } from './progress-reporter.js'
import type { WorkerObserver } from './worker-observer.js'

/** Everything that the parts of a worker share. */
export interface WorkerCore {
  readonly backend: WorkerBackend
  readonly namespaces: readonly Namespace[]
  readonly lanes: readonly LaneId[]
  readonly kinds: readonly Kind[]
  readonly capabilities: readonly string[]
  readonly concurrency: number
  readonly workerId: WorkerId
  readonly leaseTtlMs: number
  readonly sleepInPlaceMsMax: number
  readonly codec: Codec
  readonly logger: Logger
  readonly observer: WorkerObserver
  readonly leases: LeaseTable
  readonly steps: CallBatcher<RecordSteps['items'][number], RecordStepOutcome>
  readonly frames: CallBatcher<FrameToAppend, AppendFrameOutcome>
  readonly delays: CallBatcher<DelayLeases['items'][number], DelayOutcome>
  readonly suspends: CallBatcher<SuspendItem, SuspendOutcome>
  readonly progress: ProgressReporter
  /** Tokens and addresses of waitpoints. */
  readonly links: Links
  /** How many flow partitions there are, read once. */
  readonly partitionCount: () => Promise<number>
  /** Aborted when the worker has given up on its store: calls are not repeated any more. */
  readonly stopped: AbortSignal
  /** A new one when the registry has forgotten the old one. */
  instanceId: InstanceId
  /** The lease was given back: its run is told, and nothing more is sent for it. */
  readonly drop: (held: HeldLease, reason: AbortReason) => void
  /** The lease is somebody else's, or nobody's: as `drop`, and observers are told. */
  readonly lose: (held: HeldLease, reason: AbortReason) => void
  /** The store has refused a write under this lease: it is lost. */
  readonly refuse: (held: HeldLease, refusal: FencingRefusal) => void
}
