import type { ClaimOutcome, ClaimRequest, ExecutionSpec } from '@flowfabric/core'
import type { Timer } from '../clock.js'

/** A claim that found nothing and waits. */
export interface WaitingClaim {
  readonly request: ClaimRequest
  readonly group: ClaimGroup
  readonly answer: (outcome: ClaimOutcome) => void
  readonly refuse: (error: unknown) => void
  timer: Timer | undefined
  stopListening: (() => void) | undefined
  isTrying: boolean
  /** Its time is over while it tries: whatever the try comes to is its answer. */
  isOver: boolean
}

/**
 * The waiting claims that serve exactly the same work: when one of them finds none, the others would find none either, so
 * one try stands for all. How much announced work was not looked for yet is kept per lane.
 */
export class ClaimGroup {
  readonly lanes: readonly string[]
  readonly #kinds: ReadonlySet<string>
  readonly #capabilities: ReadonlySet<string>
  /** In the order in which they began to wait. */
  readonly waiting = new Set<WaitingClaim>()
  readonly #announced = new Map<string, number>()
  /** Raised by every announcement, so that a try knows whether one came after it began. */
  announcements = 0

  constructor(request: ClaimRequest) {
    this.lanes = request.namespaces.flatMap((namespace) =>
      request.lanes.map((lane) => laneKey(namespace, lane)),
    )
    this.#kinds = new Set(request.kinds)
    this.#capabilities = new Set(request.capabilities)
  }

  /** Whether such work, on a lane of the group's, is for it. */
  serves({ kind, capabilities = [] }: Pick<ExecutionSpec, 'kind' | 'capabilities'>): boolean {
    return this.#kinds.has(kind) && capabilities.every((name) => this.#capabilities.has(name))
  }

  /** Work became claimable on a lane; `Infinity` when nobody knows how much. */
  announce(lane: string, count: number): void {
    this.announcements++
    this.#announced.set(lane, (this.#announced.get(lane) ?? 0) + count)
  }

  /** Lanes with announced work that was not looked for yet. */
  get announcedLanes(): Iterable<string> {
    return this.#announced.keys()
  }

  /** The claim that has waited longest and isn't trying. */
  get next(): WaitingClaim | undefined {
    for (const claim of this.waiting) if (!claim.isTrying) return claim
    return undefined
  }

  /** A try looks for up to `max`: that much announced work needs no other one. Answers how much was announced. */
  take(lane: string, max: number): number {
    const announced = this.#announced.get(lane) ?? 0
    // Of an unknown amount one try at a time is enough to find out.
    if (Number.isFinite(announced) && announced > max) this.#announced.set(lane, announced - max)
    else this.#announced.delete(lane)
    return announced
  }

  /** Nothing that this group serves is left. */
  forgetAnnounced(): void {
    this.#announced.clear()
  }
}

export function laneKey(namespace: string, lane: string): string {
  return `${namespace}/${lane}`
}

/** Two claims with the same signature are served by the same work. */
export function signatureOf(request: ClaimRequest): string {
  const { namespaces, lanes, kinds, capabilities } = request
  return [namespaces, lanes, kinds, capabilities].map((names) => [...names].sort().join(' ')).join('\n')
}
