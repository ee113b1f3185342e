import { type ClaimedExecution, decodeHandle, type FoundationBackend, type LeaseId } from '@flowfabric/core'
import type { Engine, EngineOptions } from '@flowfabric/engine'
import { type Client, createClient, createWorker, type Worker } from '@flowfabric/sdk'
import { type Ledger, nowMs, type Seen } from './ledger.js'
import { namespace } from './names.js'
import type { Role } from './role.js'
import { cappedLane, lane } from './tasks.js'

export interface Line {
  readonly atMs: number
  readonly level: string
  readonly message: string
  readonly fields: unknown
}

/** What engines and workers have logged from `warn` on. */
export type Lines = Line[]

/** An engine with a worker, as a process would have them. */
export interface Node {
  readonly backend: FoundationBackend
  readonly engine: Engine
  readonly worker: Worker
  readonly client: Client
  /** How many ends its worker has had recorded. */
  recorded(): number
  /** Lets both come to their end, and says goodbye for them. */
  stop(): Promise<void>
}

export interface NodeParts {
  readonly engine: Engine
  readonly ledger: Ledger
  readonly roles: readonly Role[]
  readonly logger: NonNullable<EngineOptions['logger']>
  /** Stops the engine, and closes its store. */
  readonly close: () => Promise<void>
}

export function createLogger(lines: Lines): NodeParts['logger'] {
  return {
    log(level: string, message: string, fields?: unknown) {
      if (level === 'warn' || level === 'error') lines.push({ atMs: nowMs(), level, message, fields })
    },
  }
}

/** Puts a worker and a client on an engine that runs. */
export async function startNode({ engine, ledger, roles, logger, close }: NodeParts): Promise<Node> {
  const { backend, explain, waitpoints, webhooks } = engine
  const connect = { backend, explain, waitpoints, webhooks, namespace }
  let recorded = 0
  /** When the run under a lease was over, and its end was sent. A lost lease's end may be told after a later run's. */
  const leftAtMs = new Map<LeaseId, number>()
  const current = new Map<string, LeaseId>()
  const worker = createWorker({
    connect,
    tasks: roles.flatMap(({ tasks = [] }) => tasks),
    lanes: [lane, cappedLane],
    workerId: 'chaos',
    concurrency: 24,
    leaseTtlMs: 2_000,
    sleepInPlaceMsMax: 100,
    logger,
    middleware: [
      async ({ execution }, next) => {
        const lease = current.get(execution.id)
        try {
          return await next()
        } finally {
          if (lease !== undefined) leftAtMs.set(lease, nowMs())
        }
      },
    ],
    observer: {
      started(claimed) {
        current.set(claimed.executionId, noteClaim(ledger, claimed))
      },
      recorded(claimed, { outcome }) {
        recorded += 1
        if (outcome !== 'completed' && outcome !== 'failed' && outcome !== 'cancelled') return
        const { generation, executionId: id } = claimed
        const by = leaseOf(claimed)
        const beganAtMs = leftAtMs.get(by.leaseId) ?? 0
        ledger.note('end', { id, outcome, generation, by, beganAtMs, atMs: nowMs() })
      },
    },
  })
  await worker.start()
  const client = createClient({ connect })
  let stopping: Promise<void> | undefined
  return {
    backend,
    engine,
    worker,
    client,
    recorded: () => recorded,
    stop() {
      stopping ??= worker.drain({ graceMs: 5_000 }).then(() => {
        client.close()
        return close()
      })
      return stopping
    },
  }
}

export function noteClaim(ledger: Ledger, claimed: ClaimedExecution): LeaseId {
  const lease = leaseOf(claimed)
  ledger.note('claim', { id: claimed.executionId, atMs: claimed.claimedAtMs, ...lease })
  return lease.leaseId
}

function leaseOf({ handle }: ClaimedExecution): Omit<Seen, 'atMs'> {
  const { leaseId, attemptIndex, epoch } = decodeHandle(handle)
  return { leaseId, attemptIndex, epoch }
}
