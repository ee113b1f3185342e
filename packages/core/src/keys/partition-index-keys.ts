import type { EntryId } from '../ids/entry-id.js'
import type { InstanceId } from '../ids/instance-id.js'
import { uuidOf } from '../ids/partitioned-id.js'
import type { LaneId, Namespace } from '../names.js'
import { makeKeyPrefix } from './key-grammar.js'
import { requireSamePartition } from './require-same-partition.js'

/** The indexes of one partition of the flow family. */
export class PartitionIndexKeys {
  readonly #partitionIndex: number
  readonly #prefix: string

  constructor(partitionIndex: number) {
    this.#partitionIndex = partitionIndex
    this.#prefix = makeKeyPrefix('idx', 'flow', partitionIndex)
  }

  /** HASH: interned route → namespace, lane, kind and required capabilities; with the list's version. */
  routes(): string {
    return `${this.#prefix}routes`
  }

  /** ZSET: UUIDs of ready executions of a route, by score. */
  ready(routeIndex: number): string {
    return `${this.#prefix}ready:${routeIndex}`
  }

  /** ZSET: UUIDs of ready executions of a route that share an admission key (its hash), by score. */
  readyOfAdmissionKey(routeIndex: number, admissionKey: string): string {
    return `${this.#prefix}ready:${routeIndex}:${admissionKey}`
  }

  /** ZSET: admission keys of a route that have ready work, in the order of their turns. */
  admissionKeys(routeIndex: number): string {
    return `${this.#prefix}admission:${routeIndex}`
  }

  /** ZSET: parked admission keys, by the time at which each is tried again. */
  parked(): string {
    return `${this.#prefix}parked`
  }

  /** ZSET: one member per execution that waits for a time, by its earliest due time in ms. */
  timers(): string {
    return `${this.#prefix}timers`
  }

  /** ZSET: UUIDs of a namespace's executions in one public state, by creation time. */
  listing(namespace: Namespace, publicState: string): string {
    return `${this.#prefix}list:${namespace}/${publicState}`
  }

  /** HASH: exact counts of a namespace's executions, `<lane>/<public state>` → count. */
  counts(namespace: Namespace): string {
    return `${this.#prefix}counts:${namespace}`
  }

  /** HASH: the partition's versioned copy of a lane's record. */
  lane(namespace: Namespace, lane: LaneId): string {
    return `${this.#prefix}lane:${namespace}/${lane}`
  }

  /** HASH: what a worker instance holds here: its last claim and that claim's leases. */
  instance(instanceId: InstanceId): string {
    return `${this.#prefix}instance:${instanceId}`
  }

  /** SET: ids of live flows, those that the projector visits. */
  flowIndex(): string {
    return `${this.#prefix}flow_index`
  }

  /** SET: `<flowId>|<downstreamId>` of groups that fired and whose siblings are to be cancelled. */
  pendingCancelGroups(): string {
    return `${this.#prefix}pending_cancel_groups`
  }

  /** ZSET: ids of flows with members that are still to be cancelled, by the time of the next try. */
  cancelBacklog(): string {
    return `${this.#prefix}cancel_backlog`
  }

  /** ZSET: UUIDs of outbox entries, by the time from which each may be claimed. */
  completions(): string {
    return `${this.#prefix}completions`
  }

  /** HASH: an outbox entry. */
  completion(entryId: EntryId): string {
    requireSamePartition(entryId, this.#partitionIndex)
    return `${this.#prefix}completion:${uuidOf(entryId)}`
  }

  /** ZSET: UUIDs of terminal executions and ids of terminal flows, by the end of their retention. */
  retention(): string {
    return `${this.#prefix}retention`
  }

  /** STREAM: the partition's part of the change feed. */
  events(): string {
    return `${this.#prefix}events`
  }

  /** STRING: the submit sequence that breaks ties between equal scores. */
  sequence(): string {
    return `${this.#prefix}sequence`
  }

  /** Sharded Pub/Sub channel, not a stored key: wake-up hints. */
  hints(): string {
    return `${this.#prefix}hints`
  }
}
