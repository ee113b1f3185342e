import {
  comparePartitionConfigs,
  type ExecutionId,
  type FoundationBackend,
  type InstanceId,
  type LaneId,
  limits,
  makePartitionTag,
  type Namespace,
  type PartitionFamily,
  type PartitionTag,
  type WaitpointTokens,
  type WebhookKeeper,
} from '@flowfabric/core'
import { measureBackend } from './backend/measured-backend.js'
import { serveBackend } from './backend/serve-backend.js'
import { createDispatcher, type Dispatcher } from './dispatcher.js'
import { explainFrom } from './explain/explain.js'
import type { Explanation } from './explain/explanation.js'
import { type EngineHealth, type EngineState, judgeHealth } from './health.js'
import { createEngineMetrics } from './metrics/engine-metrics.js'
import { createMemoryMeter, type MemoryMeter } from './metrics/memory-meter.js'
import { createScannerMeter } from './metrics/scanner-metrics.js'
import { type EngineOptions, readEngineOptions } from './options.js'
import { PartitionOwnership } from './ownership/partition-ownership.js'
import { createPartitionRouter, type PartitionRouter } from './partition-router.js'
import { Results } from './results/results.js'
import { LaneWeights } from './scheduler/lane-weights.js'
import { Scheduler } from './scheduler/scheduler.js'
import { createSigning, type Signing } from './signing/signing.js'
import { createWaitpointTokens } from './signing/waitpoint-tokens.js'
import { Supervisor } from './supervisor/supervisor.js'
import { WakeupHub } from './wakeups/wakeup-hub.js'
import { createWebhookKeeper } from './webhooks/webhook-keeper.js'
import { createWebhookSender } from './webhooks/webhook-sender.js'

/** What makes a store go: claims that wait, completions that are carried on, and everything that is due or left behind. */
export interface Engine {
  readonly engineId: InstanceId
  /** The contract's roles for clients and workers of this process. */
  readonly backend: FoundationBackend
  readonly dispatcher: Dispatcher
  /** Waits for the ends of executions and flows. */
  readonly results: Pick<Results, 'waitForExecution' | 'waitForFlow'>
  /** The deployment's partitions. Throws before the start, unless a router was given. */
  readonly router: PartitionRouter
  /** The signing keys of waitpoint tokens, with the secrets that this process was given. */
  readonly signing: Signing
  /** Tokens of waitpoints, and signals of whoever bears one. */
  readonly waitpoints: WaitpointTokens
  /** Webhooks, with their secrets. */
  readonly webhooks: WebhookKeeper
  /** What was measured, unless a meter was given: then it is there. */
  readonly metrics: Pick<MemoryMeter, 'collect' | 'read'>
  /** Why an execution isn't running, or that it runs or ended. One reading of the store, two of what waits. Throws `execution_not_found`. */
  explain(params: { readonly namespace: Namespace; readonly id: ExecutionId }): Promise<Explanation>
  health(): EngineHealth
  /** The store must be prepared. Throws `partition_count_mismatch` when a given router has other counts. */
  start(): Promise<void>
  /** Answers who waits, begins nothing more, gives running passes `graceMs` (default 10 s), and says goodbye. The store stays open. */
  stop(params?: { readonly graceMs?: number | undefined }): Promise<void>
}

export function createEngine(options: EngineOptions): Engine {
  const settings = readEngineOptions(options)
  const { clock, random, logger, scanners, engineId } = settings
  const memory = createMemoryMeter()
  const meter = options.meter ?? memory
  const metrics = createEngineMetrics(meter)
  const backend = measureBackend(settings.backend, metrics, clock)

  const hub = new WakeupHub(backend.events, logger)
  const scheduler = new Scheduler({
    leases: backend.leases,
    executions: backend.executions,
    partitions: () => router?.config,
    weights: new LaneWeights(backend.lanes, clock, logger),
    lookForReadyLanes,
    triesMax: settings.claimTriesMax,
    clock,
    random,
    logger,
    metrics,
  })
  const results = new Results({
    executions: backend.executions,
    flows: backend.flows,
    clock,
    random,
    logger,
    metrics,
  })
  const signing = createSigning({
    keyring: backend.keyring,
    maintenance: backend.maintenance,
    secrets: settings.signingSecrets,
    clock,
  })
  const supervisor = new Supervisor({
    backend,
    scanners,
    filter: settings.scannerFilter,
    pulseIntervalMs: settings.pulseIntervalMs,
    pulseGapMs: settings.pulseGapMs,
    passesMax: settings.passesMax,
    clock,
    random,
    logger,
    metrics,
    scannerMeter: createScannerMeter(meter),
    announce: (hint) => hub.publish(hint),
    sendWebhook: createWebhookSender({ ...settings.webhooks, signing }),
  })
  let state: EngineState = 'created'
  let router = options.router
  let ownership: PartitionOwnership | undefined
  let stopping: Promise<void> | undefined

  hub.listen((hint) => {
    metrics.hints.add(1, { type: hint.type })
    scheduler.takeHint(hint)
    results.takeHint(hint)
    supervisor.takeHint(hint)
  })
  // Listening begins with the engine object, so that claims of a process without scanners wait on hints too.
  hub.start()

  return {
    engineId,
    backend: serveBackend(backend, scheduler, hub),
    dispatcher: createDispatcher({ resolution: backend.resolution, logger, metrics }),
    results,
    get router() {
      if (router === undefined) throw new Error('the partition counts are known once the engine has started')
      return router
    },
    signing,
    waitpoints: createWaitpointTokens(backend.suspensions, signing),
    webhooks: createWebhookKeeper(backend.webhooks, signing, settings.webhooks.policy),
    metrics: memory,
    async explain(params) {
      const facts = await backend.executions.explainFacts(params)
      if (facts.suspension === null) return explainFrom(facts)
      const waitpoints = await backend.suspensions.listWaitpoints({
        namespace: params.namespace,
        executionId: params.id,
        limit: limits.waitpointsMax,
      })
      return explainFrom(facts, waitpoints.items)
    },
    health: () =>
      judgeHealth({
        state,
        hasScanners: scanners.length > 0,
        partitionsOwned: ownership?.owned.length ?? 0,
        engines: ownership?.engines ?? [],
        pulseAgeMs: supervisor.pulseAgeMs,
        heartbeatAgeMs: ownership?.silentMs,
        pulseIntervalMs: settings.pulseIntervalMs,
        aliveMs: settings.aliveMs,
        failing: supervisor.failing,
        claimsWaiting: scheduler.waiting,
      }),
    start,
    stop(params = {}) {
      stopping ??= stop(params.graceMs ?? GRACE_MS)
      return stopping
    },
  }

  async function start(): Promise<void> {
    if (state !== 'created') return
    state = 'starting'
    try {
      router = await readRouter()
    } catch (error) {
      state = 'created'
      throw error
    }
    if (scanners.length > 0) await beginScanning(router)
    if (state === 'starting') state = 'running'
    logger.log('info', 'The engine runs', { engineId, partitions: ownership?.owned.length ?? 0 })
  }

  async function readRouter(): Promise<PartitionRouter> {
    const { partitions } = await backend.maintenance.describe()
    if (router === undefined) return createPartitionRouter(partitions)
    comparePartitionConfigs(partitions, router.config)
    return router
  }

  async function beginScanning(counts: PartitionRouter): Promise<void> {
    ownership = new PartitionOwnership({
      engines: backend.engines,
      engineId,
      label: settings.label,
      partitions: scannedPartitions(counts),
      heartbeatMs: settings.heartbeatMs,
      aliveMs: settings.aliveMs,
      alone: settings.alone,
      clock,
      random,
      logger,
      onChange(owned, engines) {
        metrics.enginesAlive.set(engines.length)
        supervisor.own(owned)
      },
    })
    await ownership.start()
    supervisor.start()
  }

  async function stop(graceMs: number): Promise<void> {
    state = 'stopping'
    scheduler.stop()
    results.stop()
    const passesEnded = supervisor.stop()
    await withinGrace(passesEnded, graceMs)
    await ownership?.stop()
    hub.stop()
    state = 'stopped'
    logger.log('info', 'The engine has stopped', { engineId })
  }

  /** The first of both; the timer does not outlive it. */
  async function withinGrace(ended: Promise<void>, graceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(graceMs, resolve)
      void ended.then(() => {
        timer.cancel()
        resolve()
      })
    })
  }

  /** Only families that a scanner looks at are shared out. */
  function scannedPartitions(counts: PartitionRouter): readonly PartitionTag[] {
    const families = new Set<PartitionFamily>(['flow'])
    for (const scanner of scanners) if (scanner.scope === 'partition') families.add(scanner.family)
    return [...families].flatMap((family) => counts.tagsOf(family))
  }

  /**
   * Lanes with work that nobody took for a while, over all partitions but those that this engine owns: of these its own
   * pulses tell within a second.
   */
  async function lookForReadyLanes(): Promise<readonly { namespace: Namespace; lane: LaneId }[]> {
    const count = router?.countOf('flow')
    if (count === undefined) return []
    const announcesItself = scanners.some((scanner) => scanner.scope === 'pulse')
    const partitions = Array.from({ length: count }, (_, index) => makePartitionTag('flow', index)).filter(
      (tag) => !announcesItself || ownership?.owns(tag) !== true,
    )
    return partitions.length === 0 ? [] : (await backend.maintenance.pulse({ partitions })).waitingLanes
  }
}

const GRACE_MS = 10_000
