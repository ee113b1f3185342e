import type { InstanceId } from '../ids/instance-id.js'
import type { OperationId } from '../ids/operation-id.js'
import type { QuotaId } from '../ids/quota-id.js'
import type { ScheduleId } from '../ids/schedule-id.js'
import type { WebhookId } from '../ids/webhook-id.js'
import type { LaneId, Namespace } from '../names.js'
import { makeKeyPrefix } from './key-grammar.js'

/**
 * The keys of one partition of the quota family: quotas, lanes' home records, idempotency keys and what
 * belongs to no execution. Which partition a record lives in: `quotaPartition` and `quotaKeyPartition`.
 */
export class QuotaKeys {
  readonly #partitionIndex: number

  constructor(partitionIndex: number) {
    this.#partitionIndex = partitionIndex
  }

  /** HASH: a quota's record: rate, concurrency, strategy. */
  core(quotaId: QuotaId): string {
    return `${this.#prefix('quota')}${quotaId}:core`
  }

  /** ZSET: units spent in the sliding window of one key of a quota, by time. */
  window(quotaId: QuotaId, key: string): string {
    return `${this.#prefix('quota')}${quotaId}:window:${key}`
  }

  /** ZSET: executions that hold slots of one key of a quota, by the time of the grant. */
  holders(quotaId: QuotaId, key: string): string {
    return `${this.#prefix('quota')}${quotaId}:holders:${key}`
  }

  /** ZSET: partitions and admission keys that wait for one key of a quota, in the order of their turns. */
  waiters(quotaId: QuotaId, key: string): string {
    return `${this.#prefix('quota')}${quotaId}:waiters:${key}`
  }

  /** HASH: a lane's home record, with its version. */
  lane(namespace: Namespace, lane: LaneId): string {
    return `${this.#prefix('lane')}${namespace}/${lane}`
  }

  /** HASH: what an idempotency key stands for: execution or flow id, kind, input hash. */
  idempotencyKey(namespace: Namespace, key: string): string {
    return `${this.#prefix('idempotency')}${namespace}/${key}`
  }

  /** HASH: a schedule: its texts, its version, when it is due. */
  schedule(namespace: Namespace, scheduleId: ScheduleId): string {
    return `${this.#prefix('schedule')}${namespace}/${scheduleId}`
  }

  /** ZSET: `<namespace>/<id>` of schedules, by when somebody has to look at them. */
  schedulesDue(): string {
    return `${this.#prefix('idx')}schedules_due`
  }

  /** ZSET: `<label>` NUL `<id>` of a namespace's schedules, in the order of their bytes. */
  schedulesByLabel(namespace: Namespace): string {
    return `${this.#prefix('idx')}schedules:${namespace}`
  }

  /** HASH: a durable bulk operation, with its progress. */
  operation(namespace: Namespace, operationId: OperationId): string {
    return `${this.#prefix('operation')}${namespace}/${operationId}`
  }

  /** ZSET: `<namespace>/<id>` of bulk operations, by when somebody has to look at them. */
  operationsDue(): string {
    return `${this.#prefix('idx')}operations_due`
  }

  /** ZSET: ids of a namespace's bulk operations, by when they were created. */
  operationsByTime(namespace: Namespace): string {
    return `${this.#prefix('idx')}operations:${namespace}`
  }

  /** HASH: a webhook, with its deliveries. */
  webhook(namespace: Namespace, webhookId: WebhookId): string {
    return `${this.#prefix('webhook')}${namespace}/${webhookId}`
  }

  /** ZSET: `<namespace>/<id>` of webhooks, by when somebody has to look at them. */
  webhooksDue(): string {
    return `${this.#prefix('idx')}webhooks_due`
  }

  /** ZSET: ids of a namespace's webhooks, by when they were created. */
  webhooksByTime(namespace: Namespace): string {
    return `${this.#prefix('idx')}webhooks:${namespace}`
  }

  /** HASH: API tokens by id, hashed. In partition 0, as all that follows of this kind. */
  tokens(): string {
    return `${this.#prefix('idx')}tokens`
  }

  /** ZSET: when tokens that were revoked or expire are removed, by time in ms. */
  tokensOver(): string {
    return `${this.#prefix('idx')}tokens_over`
  }

  /** HASH: namespaces that were put, by name. */
  namespaces(): string {
    return `${this.#prefix('idx')}namespaces`
  }

  /** HASH: the registration of a worker instance. */
  worker(instanceId: InstanceId): string {
    return `${this.#prefix('worker')}${instanceId}`
  }

  /** HASH: the registration of an engine. */
  engine(instanceId: InstanceId): string {
    return `${this.#prefix('engine')}${instanceId}`
  }

  /** HASH: waitpoint signing keys by id: times and fingerprint, never the secret. */
  keyring(): string {
    return `${this.#prefix('idx')}keyring`
  }

  /** HASH: operators' actions by their ids. */
  audit(): string {
    return `${this.#prefix('idx')}audit`
  }

  /** ZSET: everything in the partition that falls due (expiries), by time in ms. */
  timers(): string {
    return `${this.#prefix('idx')}timers`
  }

  /** SET: `<namespace>/<lane>` of lanes whose copies may lag behind the home record. */
  lanesToSync(): string {
    return `${this.#prefix('idx')}lanes_to_sync`
  }

  #prefix(family: string): string {
    return makeKeyPrefix(family, 'quota', this.#partitionIndex)
  }
}
