import type { Bytes } from '@flowfabric/core'
import type { PackedAmounts } from '../admission/packed-demands.js'
import type { Route } from '../routes/catalogue.js'
import type { HandedOut } from './handed-out.js'

/** What one call of the function `work` carries, and what it answers to each. */

/** The end of an attempt. */
export interface EndItem {
  /** UUID of the execution. */
  readonly id: string
  readonly attemptIndex: number
  readonly leaseId: string
  readonly epoch: number
  readonly namespaces: readonly string[]
  readonly end:
    | { readonly op: 'c'; readonly result: Bytes | null }
    | {
        readonly op: 'f'
        readonly failure: readonly [category: string, message: string, details?: string]
        readonly wish: 'policy' | 'never' | { readonly atMs: number } | { readonly afterMs: number }
      }
}

/** `[outcome, …]` as `shared/ends.lua` and `shared/fence.lua` answer it. */
export type EndReply = readonly unknown[]

/** A new execution. */
export interface SubmitItem {
  readonly id: string
  readonly route: Route
  readonly priority: number
  /** 0: none. */
  readonly startMs: number
  readonly delayMs: number
  /** MessagePack in the order of `layouts.mjs`; `null`: all are the defaults. */
  readonly policy: Uint8Array | null
  readonly spec: string
  readonly hash: string
  readonly input: Bytes | null
}

export type SubmitReply =
  | { readonly kind: 'accepted' }
  /** What is stored under the id. */
  | {
      readonly kind: 'taken'
      readonly namespace: string
      readonly taskKind: string
      readonly hash: string
      readonly input: Bytes | null
    }
  | { readonly kind: 'lane_closed'; readonly state: string }
  | { readonly kind: 'too_many_routes' }

/** A claim in this partition. */
export interface ClaimPart {
  readonly instanceId: string
  readonly workerId: string
  readonly claimId: string
  readonly leaseTtlMs: number
  readonly max: number
  /** The partition's routes that were known when it was asked: if there are more by then, nothing is handed out. */
  readonly routesVersion: number
  readonly lanes: readonly {
    /** `<namespace>/<lane>`. */
    readonly lane: string
    readonly virtualTime: number
    /** What the lane's home has lent to the partition for this claim. */
    readonly credit?: Credit | undefined
    readonly rids: readonly string[]
  }[]
}

/** Slots of a capped lane that a partition may use, as of a message of the lane's home. */
export interface Credit {
  readonly epoch: number
  readonly slots: number
  readonly seq: number
}

/** What a claim learns of a lane that it asked for. */
export interface LaneNote {
  /** `<namespace>/<lane>`. */
  readonly lane: string
  /** `closed`: it starts nothing. `full`: there is work, and the partition has no slot left. */
  readonly state: 'open' | 'closed' | 'full'
  readonly weight: number
  /** How many run in the partition, of one that is full. */
  readonly active: number
}

/** Heads of a line that a claim may have, once what they ask of quotas and budgets was taken. */
export interface Offer {
  /** The line's id: a hash of its admission key. */
  readonly line: string
  readonly namespace: string
  /** What names the offer, and the leases' ids begin with. */
  readonly token: string
  /** In their order. All ask of the same quotas and budgets. */
  readonly items: readonly OfferedItem[]
}

export interface OfferedItem {
  /** UUID of the execution. */
  readonly id: string
  /** Id of the lease under which it would be claimed: the offer's token, and a number behind it. */
  readonly lease: string
  readonly number: number
  /** `false` when an attempt goes on. */
  readonly begins: boolean
  readonly asks: {
    readonly quotas: readonly (readonly [id: string, key: string, cost: number])[]
    readonly budgets: readonly (readonly [id: string, estimate: PackedAmounts])[]
  }
}

/** What a claim got in a partition. */
export interface ClaimedPart {
  /** Lines whose heads are for nobody else until it says what became of them. */
  readonly offers: readonly Offer[]
  readonly handed: readonly HandedOut[]
  /** Another process serves the instance: nothing was looked for. */
  readonly isElsewhere: boolean
  /** There are routes that this process has not met: nothing was looked for. */
  readonly hasNewRoutes: boolean
  /** Of lanes that are not as lanes are by default. */
  readonly notes: readonly LaneNote[]
  /** The partition's edge number as of the claim. */
  readonly edges: number
}

/** A message that a call left in the outbox, for its caller to carry: what ended leases held of quotas and budgets. */
export interface LeftMessage {
  /** Id of its entry. */
  readonly entry: string
  readonly what: readonly unknown[]
}

export interface WorkBatch {
  readonly ends: readonly EndItem[]
  readonly submits: readonly SubmitItem[]
  readonly claims: readonly ClaimPart[]
  /** Entries of messages that were carried. */
  readonly carried: readonly string[]
  /** Whether the caller carries the messages that the call leaves. */
  readonly carries: boolean
}

export interface WorkReplies {
  readonly ends: readonly EndReply[]
  readonly submits: readonly SubmitReply[]
  readonly claims: readonly ClaimedPart[]
  readonly messages: readonly LeftMessage[]
}
