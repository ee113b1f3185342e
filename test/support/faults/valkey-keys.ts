import { type ExecutionId, type FlowId, type PartitionTag, partitionOfFlow, uuidOf } from '@flowfabric/core'
import { pack, unpack } from '../../../packages/backend-valkey/src/records/packing.js'
import type { ValkeyInside } from '../backends.js'

/** Keys of a store on Valkey, and what lies under them. */
export interface ValkeyKeys {
  /** A part of an execution: `core`, `group`, `in`, `out`, … */
  execution(id: ExecutionId, part: string): string
  /** A part of a flow: `core`, `summary`, … */
  flow(id: FlowId, part: string): string
  /** An index of a partition. */
  index(tag: string, name: string): string
  tagOfFlow(id: FlowId): PartitionTag
  /** A record that is one MessagePack array. Throws when it isn't there. */
  read(key: string): Promise<unknown[]>
  write(key: string, fields: readonly unknown[]): Promise<void>
}

export function createValkeyKeys(
  { send, keyPrefix }: ValkeyInside,
  partitions: readonly PartitionTag[],
): ValkeyKeys {
  const tagOfFlow = (id: FlowId): PartitionTag => {
    const tag = partitions[partitionOfFlow(id, partitions.length)]
    if (tag === undefined) throw new Error(`no partition of ${id}`)
    return tag
  }
  return {
    execution: (id, part) => `${keyPrefix}:exec:${tagOf(id)}:${uuidOf(id)}:${part}`,
    flow: (id, part) => `${keyPrefix}:flow:${tagOfFlow(id)}:${id}:${part}`,
    index: (tag, name) => `${keyPrefix}:idx:${tag}:${name}`,
    tagOfFlow,
    async read(key) {
      const bytes = await send('GET', key)
      const fields = Buffer.isBuffer(bytes) ? unpack(bytes, key) : undefined
      if (Array.isArray(fields)) return fields
      throw new Error(`${key} holds no record`)
    },
    async write(key, fields) {
      await send('SET', key, pack(fields))
    },
  }
}

/** The tag of the partition that an execution's id names. */
export function tagOf(id: ExecutionId): string {
  return id.slice(0, id.indexOf('}') + 1)
}
