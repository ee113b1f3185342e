import type { ExecutionId } from '../ids/execution-id.js'
import { partitionIndexOf, uuidOf } from '../ids/partitioned-id.js'
import type { WaitpointId } from '../ids/waitpoint-id.js'
import { makeKeyPrefix } from './key-grammar.js'
import { requireSamePartition } from './require-same-partition.js'

/** The keys of one execution. All lie in the partition that its id carries. */
export class ExecutionKeys {
  readonly #partitionIndex: number
  readonly #uuid: string

  constructor(id: ExecutionId) {
    this.#partitionIndex = partitionIndexOf(id)
    this.#uuid = uuidOf(id)
  }

  /** HASH: the record, state vector and policies included, payloads excluded. */
  core(): string {
    return `${this.#prefix('exec')}:core`
  }

  /** STRING: the input, as bytes. */
  input(): string {
    return `${this.#prefix('exec')}:input`
  }

  /** STRING: the result or the recorded failure, as bytes. */
  result(): string {
    return `${this.#prefix('exec')}:result`
  }

  /** HASH: the journal of steps, name → recorded value. */
  journal(): string {
    return `${this.#prefix('exec')}:journal`
  }

  /** HASH: what upstreams handed down when the edge group decided, edge name → reference. */
  upstream(): string {
    return `${this.#prefix('exec')}:upstream`
  }

  /** HASH: the suspension that stands, with the state of its condition per node. */
  suspension(): string {
    return `${this.#prefix('exec')}:suspension`
  }

  /** SET: UUIDs of the execution's waitpoints. */
  waitpoints(): string {
    return `${this.#prefix('exec')}:waitpoints`
  }

  /** HASH: a waitpoint. */
  waitpoint(id: WaitpointId): string {
    return this.#waitpointPrefix(id)
  }

  /** STREAM: the signals of a waitpoint, early ones included. */
  signals(id: WaitpointId): string {
    return `${this.#waitpointPrefix(id)}:signals`
  }

  /** ZSET: idempotency keys of a waitpoint's signals, by the time at which each is forgotten. */
  signalKeys(id: WaitpointId): string {
    return `${this.#waitpointPrefix(id)}:signal_keys`
  }

  /** HASH: an attempt, its lease included. The index counts from 0. */
  attempt(attemptIndex: number): string {
    return `${this.#prefix('attempt')}:${attemptIndex}`
  }

  /** STREAM: the durable frames of all attempts, by `<attempt>-<number + 1>`. */
  stream(): string {
    return this.#prefix('stream')
  }

  /** STREAM: the other frames, as far as they are kept, by the same ids. */
  cappedStream(): string {
    return `${this.#prefix('stream')}:capped`
  }

  /** HASH: attempt → the head of its stream, `d<attempt>` → its summary document, JSON. */
  streamHeads(): string {
    return `${this.#prefix('stream')}:heads`
  }

  #prefix(family: string): string {
    return `${makeKeyPrefix(family, 'flow', this.#partitionIndex)}${this.#uuid}`
  }

  #waitpointPrefix(id: WaitpointId): string {
    requireSamePartition(id, this.#partitionIndex)
    return `${makeKeyPrefix('waitpoint', 'flow', this.#partitionIndex)}${uuidOf(id)}`
  }
}
