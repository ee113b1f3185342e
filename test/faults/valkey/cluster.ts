import { createValkeyBackend, type ValkeyBackendOptions } from '@flowfabric/backend-valkey'
import { makePartitionTag, type PartitionTag, partitionFamilies } from '@flowfabric/core'
import { onTestFinished } from 'vitest'
import { slotOf } from '../../../packages/backend-valkey/src/connection/slots.js'
import type { Random } from '../../model/random.js'
import {
  startValkeyCluster,
  type ValkeyCluster,
  type ValkeyClusterOptions,
} from '../../support/servers/valkey-cluster.js'
import { partitions } from '../load/prepare.js'
import { openScene, type Scene, type SceneOptions } from '../load/scene.js'

/** Everything that the deployment has. */
const tags: readonly PartitionTag[] = partitionFamilies.flatMap((family) =>
  Array.from({ length: partitions[family] }, (_, index) => makePartitionTag(family, index)),
)

/** Slots of all partitions: first those of the flow family. */
export const slots: readonly number[] = tags.map((tag) => slotOf(tag))

/** The place of a partition among them. */
export const placeOf = (tag: PartitionTag): number => tags.indexOf(tag)

export interface ClusterScene extends Scene {
  readonly cluster: ValkeyCluster
}

/** On a Cluster of its own in which nobody fails over, however slow the machine is; all ended with the test. */
export async function openCluster(random: Random, options?: SceneOptions): Promise<ClusterScene> {
  const cluster = await startOwnCluster({ settings: { 'cluster-node-timeout': 10_000 } })
  return { cluster, ...(await openOnCluster(cluster, random, options)) }
}

/** Stopped with the test. */
export async function startOwnCluster(options?: ValkeyClusterOptions): Promise<ValkeyCluster> {
  const cluster = await startValkeyCluster(options)
  onTestFinished(() => cluster.stop())
  return cluster
}

type DeploymentOptions = Pick<ValkeyBackendOptions, 'durability' | 'keyPrefix'> & SceneOptions

/** One of several deployments that may share a Cluster. */
export function openOnCluster(
  cluster: ValkeyCluster,
  random: Random,
  { durability, keyPrefix, ...options }: DeploymentOptions = {},
): Promise<Scene> {
  const { addresses: nodes } = cluster
  const open = () => createValkeyBackend({ nodes, cluster: true, partitions, durability, keyPrefix })
  return openScene(open, random, options)
}
