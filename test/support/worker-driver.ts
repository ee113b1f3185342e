import {
  type AppendFrameOutcome,
  type ClaimedExecution,
  type ClaimRequest,
  type CompleteOutcome,
  type DelayOutcome,
  type FailLease,
  type FailOutcome,
  type Handle,
  mintClaimId,
  mintInstanceId,
  must,
  type Namespace,
  parseKind,
  parseLaneId,
  parseWorkerId,
  type RecordProgressOutcome,
  type RecordStepOutcome,
  type RenewOutcome,
  type StepType,
  type StreamMode,
  type YieldOutcome,
} from '@flowfabric/core'
import { bytesOf } from './builders.js'
import type { TestStore } from './use-store.js'

/** One worker instance, by hand: what it holds is a handle in the test's hands. */
export class WorkerDriver {
  readonly store: TestStore
  readonly instanceId = mintInstanceId()
  readonly #traits: Partial<ClaimRequest>

  /** Serves the kind `work` in the lane of solo executions, unless told otherwise. */
  constructor(store: TestStore, traits: Partial<ClaimRequest> = {}) {
    this.store = store
    this.#traits = traits
  }

  request(more: Partial<ClaimRequest> = {}): ClaimRequest {
    return {
      claimId: mintClaimId(),
      workerId: parseWorkerId('worker'),
      instanceId: this.instanceId,
      namespaces: [this.store.namespace],
      lanes: [parseLaneId('solos')],
      kinds: [parseKind('work')],
      capabilities: [],
      max: 10,
      leaseTtlMs: 30_000,
      ...this.#traits,
      ...more,
    }
  }

  async claim(more: Partial<ClaimRequest> = {}): Promise<readonly ClaimedExecution[]> {
    const answer = await this.store.backend.leases.claim(this.request(more))
    return answer.outcome === 'claimed' ? answer.leases : []
  }

  /** Claims exactly one; throws when there is none, or more. */
  async claimOne(more: Partial<ClaimRequest> = {}): Promise<ClaimedExecution> {
    const [lease, ...others] = await this.claim(more)
    if (others.length > 0) throw new Error(`claimed ${others.length + 1} executions, not one`)
    return must(lease, 'something to claim')
  }

  async renew(handle: Handle, leaseTtlMs = 30_000): Promise<RenewOutcome> {
    const { items } = await this.store.backend.leases.renew({
      ...this.#scope,
      items: [{ handle, leaseTtlMs }],
    })
    return must(items[0], 'an answer')
  }

  async complete(handle: Handle, result: string | null = null): Promise<CompleteOutcome> {
    const item = { handle, result: result === null ? null : bytesOf(result) }
    const { items } = await this.store.backend.leases.complete({ ...this.#scope, items: [item] })
    return must(items[0], 'an answer')
  }

  async fail(handle: Handle, more: Partial<Omit<FailLease, 'handle'>> = {}): Promise<FailOutcome> {
    const failure = { category: 'error', message: 'it did not work' }
    const item = { handle, failure, ...more }
    const { items } = await this.store.backend.leases.fail({ ...this.#scope, items: [item] })
    return must(items[0], 'an answer')
  }

  async delay(handle: Handle, untilMs: number): Promise<DelayOutcome> {
    const { items } = await this.store.backend.leases.delay({ ...this.#scope, items: [{ handle, untilMs }] })
    return must(items[0], 'an answer')
  }

  async yield(handle: Handle): Promise<YieldOutcome> {
    const { items } = await this.store.backend.leases.yield({ ...this.#scope, items: [{ handle }] })
    return must(items[0], 'an answer')
  }

  async progress(handle: Handle, percent = 50, message?: string): Promise<RecordProgressOutcome> {
    const item = { handle, percent, message }
    const { items } = await this.store.backend.attempts.recordProgress({ ...this.#scope, items: [item] })
    return must(items[0], 'an answer')
  }

  async step(
    handle: Handle,
    name: string,
    result: string | null = null,
    type: StepType = 'step',
  ): Promise<RecordStepOutcome> {
    const item = { handle, name, type, result: result === null ? null : bytesOf(result) }
    const { items } = await this.store.backend.attempts.recordStep({ ...this.#scope, items: [item] })
    return must(items[0], 'an answer')
  }

  /** Appends texts as frames that are numbered from `from`, one after the other. */
  async emit(
    handle: Handle,
    from: number,
    frames: readonly string[],
    { mode = 'durable', type }: { readonly mode?: StreamMode; readonly type?: string } = {},
  ): Promise<readonly AppendFrameOutcome[]> {
    const items = frames.map((frame, place) => ({
      handle,
      mode,
      frameNumber: from + place,
      frame: bytesOf(frame),
      type,
    }))
    return (await this.store.backend.streams.append({ ...this.#scope, items })).items
  }

  get #scope(): { readonly namespaces: readonly Namespace[] } {
    return { namespaces: [this.store.namespace] }
  }
}
