import type {
  DeliveryReport,
  HandedDelivery,
  PartitionTag,
  ScanContext,
  ScannerMetric,
} from '@flowfabric/core'

interface Sends {
  readonly underWay: Set<Promise<void>>
  /** How requests went that nobody has recorded yet. */
  reports: DeliveryReport[]
  /** Whether webhooks follow the feed here. */
  follows: boolean
  /** The feed has grown since the last look. */
  hasNews: boolean
}

interface Taken {
  readonly reports: readonly DeliveryReport[]
  readonly hasNews: boolean
}

/** The requests of one dispatcher, which outlast the passes that began them. */
export class WebhookSends {
  readonly #context: ScanContext
  readonly #tries: ScannerMetric
  readonly #sends = new Map<PartitionTag, Sends>()
  /** Ends requests for which nobody waits any more. */
  readonly #abort = new AbortController()

  constructor(context: ScanContext, tries: ScannerMetric) {
    this.#context = context
    this.#tries = tries
  }

  countOf(partition: PartitionTag): number {
    return this.#of(partition).underWay.size
  }

  /** What the next call is to record, and whether it is to look into the feed ahead of time. */
  take(partition: PartitionTag): Taken {
    const sends = this.#of(partition)
    const { reports, hasNews } = sends
    sends.reports = []
    sends.hasNews = false
    return { reports, hasNews }
  }

  /** A call that failed may have recorded them: a report counts once. */
  async orGiveBack<Answer>(
    partition: PartitionTag,
    taken: Taken,
    call: () => Promise<Answer>,
  ): Promise<Answer> {
    try {
      return await call()
    } catch (error) {
      const sends = this.#of(partition)
      sends.reports.unshift(...taken.reports)
      sends.hasNews ||= taken.hasNews
      throw error
    }
  }

  follow(partition: PartitionTag, follows: boolean): void {
    this.#of(partition).follows = follows
  }

  hearNews(): void {
    for (const [partition, sends] of this.#sends) {
      if (!sends.follows || sends.hasNews) continue
      sends.hasNews = true
      this.#context.wake(partition, NEWS_MS)
    }
  }

  begin(partition: PartitionTag, delivery: HandedDelivery): void {
    const sends = this.#of(partition)
    const request = this.#send(partition, delivery).finally(() => sends.underWay.delete(request))
    sends.underWay.add(request)
  }

  /** Requests that are under way have a little time to end; what is not recorded then is made again by somebody else. */
  async drain(): Promise<void> {
    const timer = setTimeout(() => this.#abort.abort(), DRAIN_MS)
    const all = [...this.#sends.values()].flatMap(({ underWay }) => [...underWay])
    await Promise.all(all)
    clearTimeout(timer)
    await Promise.all([...this.#sends.keys()].map((partition) => this.#record(partition)))
  }

  async #send(partition: PartitionTag, delivery: HandedDelivery): Promise<void> {
    const { namespace, webhookId, deliveryId, attempt } = delivery
    const went = await this.#context.sendWebhook(delivery, this.#abort.signal)
    if (this.#abort.signal.aborted) return
    this.#context.count(this.#tries, went.outcome === 'failed' ? (went.failure ?? 'status') : went.outcome)
    this.#of(partition).reports.push({ namespace, webhookId, deliveryId, attempt, ...went })
    if (this.#context.wake(partition, REPORT_MS) || this.#context.signal.aborted) return
    // Another engine owns the partition by now; what this one did is recorded all the same.
    await this.#record(partition)
  }

  async #record(partition: PartitionTag): Promise<void> {
    const { reports } = this.take(partition)
    if (reports.length === 0) return
    try {
      await this.#context.backend.webhooks.deliverDue({ partition, max: 1, reports, onlyReports: true })
    } catch {
      // They are made again once their leases have ended.
      this.#context.log('warn', 'How requests of webhooks went could not be recorded', {
        count: reports.length,
      })
    }
  }

  #of(partition: PartitionTag): Sends {
    const known = this.#sends.get(partition)
    if (known !== undefined) return known
    const sends: Sends = { underWay: new Set(), reports: [], follows: false, hasNews: false }
    this.#sends.set(partition, sends)
    return sends
  }
}

/** What grows within it is taken in by one look. */
const NEWS_MS = 200
/** Requests that end within it are recorded by one call. */
const REPORT_MS = 10
const DRAIN_MS = 5_000
