import { createValkeyBackend, type ValkeyBackendOptions } from '@flowfabric/backend-valkey'
import { onTestFinished } from 'vitest'
import { slotOf } from '../../../packages/backend-valkey/src/connection/slots.js'
import type { Random } from '../../model/random.js'
import {
  startValkeyCluster,
  type ValkeyCluster,
  type ValkeyClusterOptions,
} from '../../support/servers/valkey-cluster.js'
import { openScene, partitions, type Scene } from './server.js'

/** Slots of everything that the deployment has: first those of its flow partitions, in their order. */
export const slots = (['fp', 'b', 'q'] as const).flatMap((family) => {
  const count = { fp: partitions.flow, b: partitions.budget, q: partitions.quota }[family]
  return Array.from({ length: count }, (_, index) => slotOf(`{${family}:${index}}`))
})

export interface ClusterScene extends Scene {
  readonly cluster: ValkeyCluster
}

/** On a Cluster of its own in which nobody fails over, however slow the machine is; all ended with the test. */
export async function openCluster(random: Random, submitters?: number): Promise<ClusterScene> {
  const cluster = await startOwnCluster({ settings: { 'cluster-node-timeout': 10_000 } })
  return { cluster, ...(await openOnCluster(cluster, random, { submitters })) }
}

/** Stopped with the test. */
export async function startOwnCluster(options?: ValkeyClusterOptions): Promise<ValkeyCluster> {
  const cluster = await startValkeyCluster(options)
  onTestFinished(() => cluster.stop())
  return cluster
}

type DeploymentOptions = Pick<ValkeyBackendOptions, 'durability' | 'keyPrefix'> & {
  /** Of each node. */
  readonly submitters?: number | undefined
}

/** One of several deployments that may share a Cluster. */
export function openOnCluster(
  cluster: ValkeyCluster,
  random: Random,
  { submitters, ...options }: DeploymentOptions,
): Promise<Scene> {
  const { addresses: nodes } = cluster
  return openScene(
    () => createValkeyBackend({ nodes, cluster: true, partitions, ...options }),
    random,
    submitters,
  )
}
