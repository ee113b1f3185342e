import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '../until.js'
import { type ClusterView, holderOf, viewOf, whatIsMissing } from './cluster-view.js'
import { joinCluster } from './join-cluster.js'
import { moveSlot } from './move-slot.js'
import { findValkey } from './valkey-binaries.js'
import { commonSettings, type ValkeyPorts, ValkeyProcess, type ValkeySettings } from './valkey-process.js'

export interface ValkeyClusterOptions {
  primaries?: number
  /** Each copies one of the primaries, in turns. */
  replicas?: number
  /** True: a write is on its node's disk before it is acknowledged. */
  durable?: boolean
  /** More settings for every node, over ours. */
  settings?: ValkeySettings
}

export interface ValkeyClusterNode {
  readonly port: number
  /** Changes with every restart. */
  readonly pid: number
  readonly folder: string
  readonly roleAtStart: 'primary' | 'replica'
}

/** A private Cluster on 127.0.0.1. Nodes are named by their index: first the primaries, then the replicas. */
export interface ValkeyCluster {
  readonly nodes: readonly ValkeyClusterNode[]
  /** Where a client may begin. */
  readonly addresses: readonly { host: string; port: number }[]
  /** Which node holds a slot now, by its index. */
  holderOf(slot: number): Promise<number>
  /** With all its keys, to another primary, while clients go on. */
  moveSlot(slot: number, to: number): Promise<void>
  /** SIGKILL where no signal is named. Resolves when it has ended; SIGSTOP and SIGCONT freeze and thaw it. */
  kill(index: number, name?: NodeJS.Signals): Promise<void>
  /** On the same folder and ports; a running node is ended in order first. Resolves when it answers. */
  restart(index: number): Promise<void>
  /** Resolves when the nodes that run hold all slots, know each other, and their replicas follow. */
  untilWhole(): Promise<void>
  /** Ends all nodes and removes their folders. */
  stop(): Promise<void>
}

const wholeWithinMs = 30_000

export async function startValkeyCluster(options: ValkeyClusterOptions = {}): Promise<ValkeyCluster> {
  const { primaries = 3, replicas = 3 } = options
  const binary = await findValkey()
  const base = await mkdtemp(join(tmpdir(), 'flowfabric-valkey-cluster-'))
  const folders = Array.from({ length: primaries + replicas }, (_, index) => join(base, `node-${index}`))
  const processes: ValkeyProcess[] = []
  const stop = async () => {
    // What they would still write in order goes with their folders.
    await Promise.all(processes.map((each) => each.kill('SIGKILL')))
    await rm(base, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 })
  }
  try {
    const starts = folders.map(async (folder, index) => {
      await mkdir(folder)
      const settings = (ports: ValkeyPorts) => nodeSettings(ports, folder, options)
      processes[index] = await ValkeyProcess.start({ binary, folder, settings })
    })
    const failed = (await Promise.allSettled(starts)).find((each) => each.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const cluster = new RunningCluster(processes, folders, primaries, stop)
    await joinCluster(
      processes.map(({ ports }) => ports),
      primaries,
    )
    await cluster.untilWhole()
    return cluster
  } catch (error) {
    await stop()
    throw error
  }
}

/** Made for a fail-over within two seconds, where production takes fifteen to detect a loss. */
function nodeSettings(
  ports: ValkeyPorts,
  folder: string,
  { durable = false, settings = {} }: ValkeyClusterOptions,
): ValkeySettings {
  return {
    ...commonSettings(ports, folder, durable),
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    'cluster-port': ports.busPort,
    'cluster-announce-ip': '127.0.0.1',
    'cluster-node-timeout': 500,
    // A replica stands for election however long it has been alone: a test may freeze what it likes.
    'cluster-replica-validity-factor': 0,
    'cluster-allow-replica-migration': 'no',
    'cluster-require-full-coverage': 'yes',
    // Valkey 8.0.1 dies of loading functions while another thread frees the old ones (valkey-io/valkey#1826).
    'replica-lazy-flush': 'no',
    'repl-diskless-sync': 'yes',
    'repl-diskless-sync-delay': 0,
    'repl-timeout': 5,
    ...settings,
  }
}

class RunningCluster implements ValkeyCluster {
  readonly nodes: readonly ValkeyClusterNode[]
  readonly addresses: readonly { host: string; port: number }[]
  readonly stop: () => Promise<void>
  readonly #processes: readonly ValkeyProcess[]

  constructor(
    processes: readonly ValkeyProcess[],
    folders: readonly string[],
    primaries: number,
    stop: () => Promise<void>,
  ) {
    this.#processes = processes
    this.stop = stop
    this.nodes = processes.map((each, index) => ({
      port: each.ports.port,
      folder: folders[index] ?? '',
      roleAtStart: index < primaries ? 'primary' : 'replica',
      get pid() {
        return each.pid
      },
    }))
    this.addresses = this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  async holderOf(slot: number): Promise<number> {
    // One that is busy may not answer at once.
    const views = await until('all nodes answer', () => this.#views().catch(() => undefined), wholeWithinMs)
    const { port } = holderOf(slot, views)
    return this.nodes.findIndex((node) => node.port === port)
  }

  async moveSlot(slot: number, to: number): Promise<void> {
    await moveSlot(slot, this.#process(to).ports.port, await this.#views())
  }

  async kill(index: number, name: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#process(index).kill(name)
  }

  async restart(index: number): Promise<void> {
    await this.#process(index).restart()
  }

  async untilWhole(): Promise<void> {
    let missing: string | undefined
    const isWhole = async () => {
      missing = await this.#views().then(whatIsMissing, (error: Error) => error.message)
      return missing === undefined
    }
    await until('the Cluster is whole', isWhole, wholeWithinMs).catch((error: Error) => {
      throw new Error(`${error.message}: ${missing}`)
    })
  }

  #views(): Promise<ClusterView[]> {
    const running = this.#processes.filter(({ isRunning }) => isRunning)
    return Promise.all(running.map(({ ports }) => viewOf(ports.port)))
  }

  #process(index: number): ValkeyProcess {
    const found = this.#processes[index]
    if (found === undefined) throw new Error(`the Cluster has no node ${index}`)
    return found
  }
}
