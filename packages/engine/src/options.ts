import {
  engineError,
  type FoundationBackend,
  type InstanceId,
  limits,
  mintInstanceId,
  type Scanner,
  type ScannerFilter,
  type SigningSecret,
} from '@flowfabric/core'
import { type Clock, systemClock } from './clock.js'
import { type Logger, silentLogger } from './logger.js'
import type { Meter } from './metrics/meter.js'
import type { PartitionRouter } from './partition-router.js'
import { createAddressPolicy, type WebhookPolicyOptions } from './webhooks/address-policy.js'
import { type ResolveName, resolveBySystem } from './webhooks/post.js'
import type { WebhookSenderParts } from './webhooks/webhook-sender.js'

export interface WebhookOptions extends WebhookPolicyOptions {
  /** What a receiver has for its answer (100…45000, default 15000): less than the lease of a delivery. */
  readonly timeoutMs?: number | undefined
  /** By default the system's: what a name resolves to, for each connection. */
  readonly resolve?: ResolveName | undefined
}

export interface EngineOptions {
  readonly backend: FoundationBackend
  /** What runs in the background; none at all for a process that only serves clients and workers. */
  readonly scanners: readonly Scanner[]
  /** Limits the passes of those scanners that honour it. */
  readonly scannerFilter?: ScannerFilter | undefined
  /** Must have the store's partition counts; by default it is made from them at the start. */
  readonly router?: PartitionRouter | undefined
  readonly engineId?: InstanceId | undefined
  /** For people: where this engine runs, such as `host:pid`. */
  readonly label?: string | undefined
  readonly clock?: Clock | undefined
  /** In [0, 1): jitter only, nothing is decided by it. */
  readonly random?: (() => number) | undefined
  readonly logger?: Logger | undefined
  /** Secrets of signing keys, which sign and verify the tokens of waitpoints (default: none). */
  readonly signingSecrets?: readonly SigningSecret[] | undefined
  /** Where webhooks may deliver to, and how. */
  readonly webhooks?: WebhookOptions | undefined
  /** By default the numbers are kept in memory, see `Engine.metrics`. */
  readonly meter?: Meter | undefined
  /** How often the owned partitions are looked at without a hint (100…60000, default 1000). */
  readonly pulseIntervalMs?: number | undefined
  /** The shortest time between two looks that hints ask for (0…10000, default 20). */
  readonly pulseGapMs?: number | undefined
  /** Passes of scanners at once (1…64, default 8). */
  readonly passesMax?: number | undefined
  /** Waiting claims that are tried at once (1…64, default 8). */
  readonly claimTriesMax?: number | undefined
  /** How often this engine says that it lives (100…60000, default 5000). */
  readonly heartbeatMs?: number | undefined
  /** For how long an engine that is silent counts as alive (default 15000); above twice the heartbeat. */
  readonly aliveMs?: number | undefined
  /**
   * Nobody else can be on this store, so that engines which are still registered are dead, however lately they were heard of
   * (default: others may be).
   */
  readonly alone?: boolean | undefined
}

export type EngineSettings = {
  readonly [Name in keyof Omit<EngineOptions, 'router' | 'meter' | 'webhooks'>]-?: NonNullable<
    EngineOptions[Name]
  >
} & { readonly webhooks: Omit<WebhookSenderParts, 'signing'> }

/** Fills in the defaults and refuses what does not hold together. Throws `invalid_configuration`. */
export function readEngineOptions(options: EngineOptions): EngineSettings {
  const heartbeatMs = inRange('heartbeatMs', options.heartbeatMs ?? 5_000, 100, 60_000)
  const aliveMs = inRange('aliveMs', options.aliveMs ?? 15_000, 200, 600_000)
  if (aliveMs < 2 * heartbeatMs) {
    throw engineError(
      'invalid_configuration',
      `aliveMs (${aliveMs}) is below twice heartbeatMs (${heartbeatMs}): one late heartbeat would move partitions`,
    )
  }
  requireUniqueNames(options.scanners)
  return {
    backend: options.backend,
    scanners: options.scanners,
    scannerFilter: options.scannerFilter ?? {},
    engineId: options.engineId ?? mintInstanceId(),
    label: options.label ?? 'engine',
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    logger: options.logger ?? silentLogger,
    signingSecrets: options.signingSecrets ?? [],
    webhooks: readWebhookOptions(options.webhooks),
    pulseIntervalMs: inRange('pulseIntervalMs', options.pulseIntervalMs ?? 1_000, 100, 60_000),
    pulseGapMs: inRange('pulseGapMs', options.pulseGapMs ?? 20, 0, 10_000),
    passesMax: inRange('passesMax', options.passesMax ?? 8, 1, 64),
    claimTriesMax: inRange('claimTriesMax', options.claimTriesMax ?? 8, 1, 64),
    heartbeatMs,
    aliveMs,
    alone: options.alone ?? false,
  }
}

function readWebhookOptions(options: WebhookOptions = {}): EngineSettings['webhooks'] {
  const { timeoutMs = limits.webhookTimeoutMs, resolve = resolveBySystem } = options
  return {
    policy: createAddressPolicy(options),
    resolve,
    timeoutMs: inRange('webhooks.timeoutMs', timeoutMs, 100, 45_000),
  }
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw engineError('invalid_configuration', `${name} is ${value}, not a whole number of ${min}…${max}`)
}

/** A name is a metric label and a key of the overlap guard, so two scanners cannot share one. */
function requireUniqueNames(scanners: readonly Scanner[]): void {
  const seen = new Set<string>()
  for (const { name } of scanners) {
    if (seen.has(name)) throw engineError('invalid_configuration', `Two scanners are named ${name}`)
    seen.add(name)
  }
}
