import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { createHintHub, type EngineBackend, type ExecutionId, type FoundationBackend } from '@flowfabric/core'
import { createAccess } from './access/index.js'
import { createGiveBackQueue } from './admission/give-back-queue.js'
import { createAttempts } from './attempts/index.js'
import { createAudit } from './audit/index.js'
import { createBudgets } from './budgets/index.js'
import { createPartitionChannel, type PartitionChannel } from './channel/partition-channel.js'
import { type Connection, openConnection } from './connection/open.js'
import { readConnectionSettings } from './connection/options.js'
import type { ValkeyContext } from './context.js'
import { createEngines } from './engines/index.js'
import { createEvents } from './events/index.js'
import { createExecutions } from './executions/index.js'
import { createFlows } from './flows/index.js'
import { createAudience } from './hints/audience.js'
import { createReadyMap, type ReadyMap } from './hints/ready-map.js'
import { listenToOthers } from './hints/remote-hints.js'
import { spreadNews } from './hints/spread-news.js'
import { type InspectedExecution, inspectExecution } from './inspect/inspect-execution.js'
import { createKeyring } from './keyring/index.js'
import { createLanes } from './lanes/index.js'
import { createKnownLanes } from './lanes/known-lanes.js'
import { createClaimMemory } from './leases/claim-memory.js'
import { createClaimer } from './leases/claimer.js'
import { createLeases } from './leases/index.js'
import { createInvoke, type Invoke, originLength } from './library/invoke.js'
import { createMarks } from './library/mark.js'
import { type News, noNews } from './library/news.js'
import { createMaintenance } from './maintenance/index.js'
import { readPartitions, tagsOf } from './maintenance/prepare.js'
import { createOperations } from './operations/index.js'
import { readSettings, type ValkeyBackendOptions } from './options.js'
import { createQuotas } from './quotas/index.js'
import { createBackgroundDispatch, dispatchOnce } from './resolution/background.js'
import { createResolution } from './resolution/index.js'
import { createCatalogue } from './routes/catalogue.js'
import { learnRoutes } from './routes/route-of.js'
import { createSchedules } from './schedules/index.js'
import { createStreams } from './streams/index.js'
import { createSuspensions } from './suspensions/index.js'
import { createWebhooks } from './webhooks/index.js'
import { createWorkers } from './workers/index.js'

/** The contract, and a look at what is stored. */
export interface ValkeyBackend extends FoundationBackend, Pick<EngineBackend, 'budgets' | 'quotas'> {
  /**
   * All that is stored of an execution, whatever its namespace and however damaged it is, for people. Throws
   * `execution_not_found` when there is nothing.
   */
  inspect(id: ExecutionId): Promise<InspectedExecution>
}

/**
 * The contract on Valkey, standalone or a Cluster. Nothing is sent before the first call; `maintenance.prepare` loads the
 * function library and makes the partitions. Throws `invalid_configuration`.
 */
export function createValkeyBackend(options: ValkeyBackendOptions): ValkeyBackend {
  const { ctx, close } = createContext(options)
  const claimer = createClaimer(ctx)
  const executions = createExecutions(ctx, claimer)
  const flows = createFlows(ctx)
  const operations = createOperations(ctx, executions)
  const events = createEvents(ctx)
  return {
    kind: 'valkey',
    executions,
    leases: createLeases(ctx, claimer),
    attempts: createAttempts(ctx),
    flows,
    resolution: createResolution(ctx),
    suspensions: createSuspensions(ctx),
    streams: createStreams(ctx),
    budgets: createBudgets(ctx, operations),
    quotas: createQuotas(ctx, operations),
    lanes: createLanes(ctx),
    workers: createWorkers(ctx),
    engines: createEngines(ctx),
    schedules: createSchedules(ctx, { executions, flows }),
    operations,
    keyring: createKeyring(ctx),
    access: createAccess(ctx),
    events,
    webhooks: createWebhooks(ctx, events),
    audit: createAudit(ctx),
    maintenance: createMaintenance(ctx, close),
    inspect: (id) => inspectExecution(ctx, id),
  }
}

/** What every operation is given, over one connection to each primary. */
export function createContext(options: ValkeyBackendOptions): {
  readonly ctx: ValkeyContext
  close(): Promise<void>
} {
  const settings = readSettings(options)
  const { db, isCluster } = readConnectionSettings(options)
  const closing = new AbortController()
  // Every call that waits listens to it.
  setMaxListeners(0, closing.signal)
  const hints = createHintHub()
  const catalogue = createCatalogue()
  const lanes = createKnownLanes()
  const claims = createClaimMemory()
  const origin = randomBytes(originLength / 2).toString('hex')
  const marks = createMarks()
  const connection = once(() => openConnection(options, { mark: marks.command }))
  const audience = createAudience(() => listening.begun !== undefined)
  const plainInvoke = createInvoke(connection, {
    ...settings,
    db,
    isCluster,
    origin,
    tells: audience.tells,
    marks,
  })
  const partitions = once(() => readPartitions({ invoke: plainInvoke }))

  let map: ReadyMap | undefined
  const spread = (partition: number, news: News) => {
    const tell = () => spreadNews({ hints, catalogue, lanes, claims, map }, partition, news)
    const isKnown = [...news.ready].every(([rid, count]) => count === 0 || catalogue.get(rid) !== undefined)
    if (isKnown) return tell()
    // Another process brought a route that is new here. Until it is learnt, a claim may not say that there is nothing.
    map?.forget(`fp:${partition}`)
    learnRoutes({ invoke: plainInvoke, catalogue }, partition).then(tell, () => {})
  }
  const background = createBackgroundDispatch({ settings, closing: closing.signal }, (partition) =>
    dispatchOnce(ctx, partition),
  )
  const invoke: Invoke = async (invocation) => {
    const answer = await plainInvoke(invocation)
    if (answer.news.heard !== null) audience.heard(answer.news.heard)
    if (invocation.tag.startsWith('fp:')) {
      spread(indexOf(invocation.tag), answer.news)
      if (answer.news.outbox) background.kick(indexOf(invocation.tag))
    }
    return answer
  }
  const listening = once(async () => {
    const [line, { flow }] = await Promise.all([connection(), partitions()])
    const ready = createReadyMap(tagsOf('flow', flow))
    map = ready
    const heard = listenToOthers({
      connection: line,
      keyPrefix: settings.keyPrefix,
      db,
      origin,
      partitions: flow,
      onNews: spread,
      onGap(partition) {
        ready.forget(`fp:${partition}`)
        lanes.wakeAll()
        claims.loseAll()
      },
    })
    await heard.ready
    return { ready, heard }
  })

  const channels: PartitionChannel[] = []
  const ctx: ValkeyContext = {
    settings,
    connection,
    invoke,
    catalogue,
    lanes,
    claims,
    hints,
    quotaOwners: new Map(),
    partitions,
    channel(partition) {
      channels[partition] ??= createPartitionChannel(
        `fp:${partition}`,
        invoke,
        settings.dispatchInProcess ? (messages) => giveBacks.take(partition, messages) : undefined,
      )
      return channels[partition]
    },
    readyMap: async () => (await listening()).ready,
    expectReady(partition, rid) {
      if (catalogue.get(rid) !== undefined) spread(partition, { ...noNews, ready: new Map([[rid, 1]]) })
    },
    barrier: async () => (await connection()).barrier(),
    closing: closing.signal,
  }
  const giveBacks = createGiveBackQueue(ctx)
  return {
    ctx,
    async close() {
      closing.abort()
      await connection.begun?.then(
        (line: Connection) => line.close(),
        () => {},
      )
    },
  }
}

function indexOf(tag: string): number {
  return Number(tag.slice('fp:'.length))
}

interface Once<T> {
  (): Promise<T>
  /** Absent before the first call. */
  readonly begun: Promise<T> | undefined
}

/** Does it at the first call, and again after a failure: a store that isn't there yet may be at the next call. */
function once<T>(work: () => Promise<T>): Once<T> {
  let begun: Promise<T> | undefined
  const call = () => {
    begun ??= work().catch((fault) => {
      begun = undefined
      throw fault
    })
    return begun
  }
  return Object.defineProperty(call, 'begun', { get: () => begun }) as Once<T>
}
