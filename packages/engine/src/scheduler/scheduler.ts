import {
  type ClaimedExecution,
  type ClaimOutcome,
  type ClaimRequest,
  checkClaim,
  checkSubmitExecutions,
  type ExecutionOperations,
  engineError,
  type Hint,
  type LaneId,
  type LeaseOperations,
  limits,
  type Namespace,
  type PartitionConfig,
  type SubmitExecutions,
  type SubmitExecutionsResult,
} from '@flowfabric/core'
import type { Clock } from '../clock.js'
import { errorFields, type Logger } from '../logger.js'
import type { EngineMetrics } from '../metrics/engine-metrics.js'
import { Rechecker } from '../rechecker.js'
import { ClaimGroup, laneKey, signatureOf, type WaitingClaim } from './claim-group.js'
import { LaneTurns } from './lane-turns.js'
import type { LaneWeights } from './lane-weights.js'

export interface SchedulerOptions {
  readonly leases: Pick<LeaseOperations, 'claim'>
  readonly executions: Pick<ExecutionOperations, 'submit'>
  /** The deployment's counts, once they are known. */
  readonly partitions: () => PartitionConfig | undefined
  readonly weights: LaneWeights
  /** Lanes with work that has waited for a while: one call for all who wait. */
  readonly lookForReadyLanes: () => Promise<
    readonly { readonly namespace: Namespace; readonly lane: LaneId }[]
  >
  /** How many tries of waiting claims run at once. */
  readonly triesMax: number
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly metrics: EngineMetrics
}

type TryCause = 'arrival' | 'wake'

/** A longer batch goes in several statements: a claim behind them would wait longer than its hint takes. */
const CARRYING_ITEMS_MAX = 16

/**
 * Serves the claims of many workers of one process. A claim is sent to the store when it arrives; if there was nothing, it
 * waits here, at no cost, until a hint announces work that it serves. Then as many are sent again as there is work, one
 * for all that serve the same, lanes in fair turns.
 */
export class Scheduler {
  readonly #options: SchedulerOptions
  readonly #groups = new Map<string, ClaimGroup>()
  readonly #groupsOfLane = new Map<string, Set<ClaimGroup>>()
  readonly #turns = new LaneTurns()
  readonly #rechecker: Rechecker
  /** Claims that were sent at their arrival and may be about to wait: a hint in between must not be lost to them. */
  readonly #arriving = new Set<Arrival>()
  /** Lanes of which a hint told while the rechecker looked. */
  readonly #toldByLook = new Set<string>()
  #tries = 0
  #waitingCount = 0
  #isStopped = false

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.#rechecker = new Rechecker(options.clock, options.random, () => this.#recheck())
  }

  get waiting(): number {
    return this.#waitingCount
  }

  async claim(request: ClaimRequest): Promise<ClaimOutcome> {
    if (this.#isStopped) throw engineError('shutting_down', 'The engine is stopping and starts nothing more')
    // The store sees requests without a wait, so what a caller asks for is judged here.
    checkClaim(request)
    const waitMs = Math.min(request.waitMs ?? 0, limits.waitMsMax)
    const arrival: Arrival = { request, announced: new Map() }
    this.#arriving.add(arrival)
    try {
      const outcome = await this.#send(request, 'arrival')
      const isDone = outcome.outcome === 'claimed' || waitMs <= 0 || this.#isStopped
      if (isDone || request.signal?.aborted === true) return outcome
    } finally {
      this.#arriving.delete(arrival)
    }
    return this.#wait(request, waitMs, arrival)
  }

  /**
   * Submits. When a claim waits here for such work, it goes along in the same round trip: what comes while workers are
   * idle is handed out by the step that accepts it.
   */
  async submit(params: SubmitExecutions): Promise<SubmitExecutionsResult> {
    const { executions, metrics } = this.#options
    const turn = params.next === undefined ? this.#chooseFor(params) : undefined
    if (turn === undefined) return executions.submit(params)
    const submission = executions.submit({ ...params, next: { ...turn.claim.request, waitMs: 0 } })
    void this.#try(turn, async () => {
      let leases: readonly ClaimedExecution[]
      try {
        leases = (await submission).claimed
      } catch {
        // Whether it claimed is not known: the same claim asks once more by itself.
        return this.#send(turn.claim.request, 'wake')
      }
      const outcome: ClaimOutcome =
        leases.length === 0 ? { outcome: 'empty' } : { outcome: 'claimed', leases }
      metrics.claimTries.add(1, { cause: 'submission', outcome: outcome.outcome })
      return outcome
    })
    const { items } = await submission
    return { items, claimed: [] }
  }

  /** Takes a hint; only those about ready work matter here. */
  takeHint(hint: Hint): void {
    if (hint.type !== 'ready') return
    // News of what nobody here does are none: each pulse repeats them.
    const key = laneKey(hint.namespace, hint.lane)
    if (this.#groupsOfLane.has(key)) this.#rechecker.quicken()
    if (this.#rechecker.isLooking) this.#toldByLook.add(key)
    this.#announce(hint.namespace, hint.lane, hint.count > 0 ? hint.count : UNKNOWN)
    this.#tryAnnounced()
  }

  /** All who wait are answered that there is nothing; new claims are refused. */
  stop(): void {
    this.#isStopped = true
    this.#rechecker.want(false)
    for (const group of [...this.#groups.values()]) {
      for (const claim of [...group.waiting]) {
        claim.isOver = true
        if (!claim.isTrying) this.#settle(claim, () => claim.answer({ outcome: 'empty' }))
      }
    }
  }

  #wait(request: ClaimRequest, waitMs: number, arrival: Arrival): Promise<ClaimOutcome> {
    return new Promise((answer, refuse) => {
      const group = this.#groupOf(request)
      const claim: WaitingClaim = {
        request,
        group,
        answer,
        refuse,
        timer: undefined,
        stopListening: undefined,
        isTrying: false,
        isOver: false,
      }
      const giveUp = () => {
        claim.isOver = true
        if (!claim.isTrying) this.#settle(claim, () => answer({ outcome: 'empty' }))
      }
      claim.timer = this.#options.clock.setTimer(waitMs, giveUp)
      request.signal?.addEventListener('abort', giveUp)
      claim.stopListening = () => request.signal?.removeEventListener('abort', giveUp)
      group.waiting.add(claim)
      this.#setWaiting(this.#waitingCount + 1)
      for (const [lane, count] of arrival.announced) group.announce(lane, count)
      if (arrival.announced.size > 0) this.#tryAnnounced()
    })
  }

  #announce(namespace: Namespace, lane: LaneId, count: number): void {
    const key = laneKey(namespace, lane)
    for (const group of this.#groupsOfLane.get(key) ?? []) group.announce(key, count)
    for (const { request, announced } of this.#arriving) {
      if (!request.namespaces.includes(namespace) || !request.lanes.includes(lane)) continue
      announced.set(key, (announced.get(key) ?? 0) + count)
    }
  }

  /** Sends claims again while there is announced work, someone who waits for it, and room. */
  #tryAnnounced(): void {
    while (this.#tries < this.#options.triesMax) {
      const turn = this.#chooseTurn()
      if (turn === undefined) return
      void this.#tryAgain(turn)
    }
  }

  /** A waiting claim that would be handed one of these, if there is one. */
  #chooseFor(params: SubmitExecutions): Turn | undefined {
    const counts = this.#options.partitions()
    if (this.#waitingCount === 0 || counts === undefined || this.#tries >= this.#options.triesMax)
      return undefined
    const errors = checkSubmitExecutions(params, counts)
    const { namespace, items } = params
    if (items.length > CARRYING_ITEMS_MAX) return undefined
    for (const [index, item] of items.entries()) {
      if (errors[index] !== undefined || item.delayMs !== undefined || item.startAtMs !== undefined) continue
      const lane = laneKey(namespace, item.lane)
      for (const group of this.#groupsOfLane.get(lane) ?? []) {
        const claim = group.serves(item) ? group.next : undefined
        if (claim !== undefined) return { claim, lane }
      }
    }
    return undefined
  }

  #chooseTurn(): Turn | undefined {
    const candidates = new Map<string, WaitingClaim>()
    for (const group of this.#groups.values()) {
      const next = group.next
      if (next === undefined) continue
      for (const lane of group.announcedLanes) if (!candidates.has(lane)) candidates.set(lane, next)
    }
    // Weights matter, and are worth a call, only where lanes compete.
    if (candidates.size > 1) {
      for (const { request } of candidates.values())
        for (const ns of request.namespaces) this.#options.weights.refresh(ns)
    }
    const lane = this.#turns.choose(candidates.keys())
    const claim = lane === undefined ? undefined : candidates.get(lane)
    return lane === undefined || claim === undefined ? undefined : { claim, lane }
  }

  async #tryAgain({ claim, lane }: Turn): Promise<void> {
    const { group, request } = claim
    const isProbe = group.take(lane, request.max) === UNKNOWN
    await this.#try({ claim, lane }, async () => {
      const outcome = await this.#send(request, 'wake')
      if (isProbe && outcome.outcome === 'claimed' && outcome.leases.length === request.max) {
        group.announce(lane, UNKNOWN)
      }
      return outcome
    })
  }

  async #try({ claim, lane }: Turn, send: () => Promise<ClaimOutcome>): Promise<void> {
    const { group, request } = claim
    const announcements = group.announcements
    claim.isTrying = true
    this.#tries++
    try {
      const outcome = await send()
      const claimed = outcome.outcome === 'claimed' ? outcome.leases.length : 0
      this.#turns.serve(lane, claimed, this.#options.weights.of(lane))
      // It got less than it could take, so there is no more, unless something was announced meanwhile.
      if (claimed < request.max && group.announcements === announcements) group.forgetAnnounced()
      if (outcome.outcome === 'claimed' || claim.isOver) this.#settle(claim, () => claim.answer(outcome))
    } catch (error) {
      // The claim is its worker's to repeat, with the same id: a lost answer then comes back.
      this.#settle(claim, () => claim.refuse(error))
    } finally {
      claim.isTrying = false
      this.#tries--
      if (!this.#isStopped) this.#tryAnnounced()
    }
  }

  async #send(request: ClaimRequest, cause: TryCause): Promise<ClaimOutcome> {
    const { leases, metrics } = this.#options
    try {
      const outcome = await leases.claim({ ...request, waitMs: 0 })
      metrics.claimTries.add(1, { cause, outcome: outcome.outcome })
      return outcome
    } catch (error) {
      metrics.claimTries.add(1, { cause, outcome: 'error' })
      throw error
    }
  }

  #settle(claim: WaitingClaim, settle: () => void): void {
    const { group } = claim
    if (!group.waiting.delete(claim)) return
    claim.timer?.cancel()
    claim.stopListening?.()
    if (group.waiting.size === 0) this.#removeGroup(group, claim.request)
    this.#setWaiting(this.#waitingCount - 1)
    settle()
  }

  #groupOf(request: ClaimRequest): ClaimGroup {
    const signature = signatureOf(request)
    const known = this.#groups.get(signature)
    if (known !== undefined) return known
    const group = new ClaimGroup(request)
    this.#groups.set(signature, group)
    for (const lane of group.lanes) {
      const groups = this.#groupsOfLane.get(lane) ?? new Set()
      this.#groupsOfLane.set(lane, groups.add(group))
    }
    return group
  }

  #removeGroup(group: ClaimGroup, request: ClaimRequest): void {
    this.#groups.delete(signatureOf(request))
    for (const lane of group.lanes) {
      const groups = this.#groupsOfLane.get(lane)
      groups?.delete(group)
      if (groups?.size === 0) this.#groupsOfLane.delete(lane)
    }
  }

  #setWaiting(count: number): void {
    this.#waitingCount = count
    this.#options.metrics.claimsWaiting.set(count)
    this.#rechecker.want(count > 0 && !this.#isStopped)
  }

  /** One look for all who wait; what it finds is announced without a count. */
  async #recheck(): Promise<boolean> {
    try {
      this.#toldByLook.clear()
      const lanes = await this.#options.lookForReadyLanes()
      let isServed = false
      for (const { namespace, lane } of lanes) {
        const key = laneKey(namespace, lane)
        isServed ||= this.#groupsOfLane.has(key)
        // The look itself tells all who listen, and a hint of it that came is not taken for two.
        if (!this.#toldByLook.has(key)) this.#announce(namespace, lane, UNKNOWN)
      }
      this.#tryAnnounced()
      return isServed
    } catch (error) {
      this.#options.logger.log('debug', 'Ready lanes could not be looked for', errorFields(error))
      return false
    }
  }
}

/** Which claim is sent next, and for the sake of which lane. */
interface Turn {
  readonly claim: WaitingClaim
  readonly lane: string
}

/** Announced work of which nobody knows how much there is: one try at a time finds out. */
const UNKNOWN = Number.POSITIVE_INFINITY

interface Arrival {
  readonly request: ClaimRequest
  /** Work that was announced since it was sent, by lane. */
  readonly announced: Map<string, number>
}
