import type { EdgeId } from '../ids/edge-id.js'
import type { ExecutionId } from '../ids/execution-id.js'
import type { FlowId } from '../ids/flow-id.js'
import { uuidOf } from '../ids/partitioned-id.js'
import { partitionOfFlow } from '../partitions/partition-of.js'
import { makeKeyPrefix } from './key-grammar.js'
import { requireSamePartition } from './require-same-partition.js'

/** The keys of one flow. Methods that take a member throw `partition_mismatch` for one of another partition. */
export class FlowKeys {
  readonly #partitionIndex: number
  readonly #prefix: string

  /** `count` is the deployment's count of flow partitions. */
  constructor(flowId: FlowId, count: number) {
    this.#partitionIndex = partitionOfFlow(flowId, count)
    this.#prefix = `${makeKeyPrefix('flow', 'flow', this.#partitionIndex)}${flowId}`
  }

  /** HASH: the record: authoritative state, revision, generation, policies, counts per public state. */
  core(): string {
    return `${this.#prefix}:core`
  }

  /** ZSET: UUIDs of the members, by the order in which they were added. */
  members(): string {
    return `${this.#prefix}:members`
  }

  /** HASH: name of a member → its UUID. */
  names(): string {
    return `${this.#prefix}:names`
  }

  /** HASH: an edge. */
  edge(edgeId: EdgeId): string {
    return `${this.#prefix}:edge:${edgeId}`
  }

  /** SET: ids of the edges that leave a member. */
  out(member: ExecutionId): string {
    return `${this.#prefix}:out:${this.#uuidOfMember(member)}`
  }

  /** SET: ids of the edges that lead to a member. */
  in(member: ExecutionId): string {
    return `${this.#prefix}:in:${this.#uuidOfMember(member)}`
  }

  /** HASH: the edge group of a downstream member: policy, n, counters, state, cancel flag and reason. */
  edgegroup(downstream: ExecutionId): string {
    return `${this.#prefix}:edgegroup:${this.#uuidOfMember(downstream)}`
  }

  /** HASH: the derived summary that the projector writes. */
  summary(): string {
    return `${this.#prefix}:summary`
  }

  #uuidOfMember(member: ExecutionId): string {
    requireSamePartition(member, this.#partitionIndex)
    return uuidOf(member)
  }
}
