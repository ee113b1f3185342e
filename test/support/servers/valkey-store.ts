import { randomBytes } from 'node:crypto'
import { Cluster, Redis } from 'iovalkey'
import { inject } from 'vitest'
import type { ValkeyInside } from '../backends.js'
import { createTestValkey, testClusterAddresses } from './test-valkey.js'
import { listKeys, openValkeyClient, removeKeys } from './valkey-keys.js'

export interface ValkeyStore {
  /** Where a backend connects to. */
  readonly options: ValkeyInside['options']
  readonly inside: ValkeyInside
  /** Removes its keys. */
  close(): Promise<void>
}

/**
 * An empty store on the run's shared servers: a database of its own on the standalone one, a prefix on the Cluster, which has
 * one database. On a server that was chosen, `FF_TEST_URL`, it is a prefix too: nothing else there is touched.
 */
export function openValkeyStore(name: 'valkey' | 'valkeyCluster'): Promise<ValkeyStore> | ValkeyStore {
  const url = process.env.FF_TEST_URL
  if (name === 'valkeyCluster') return url === undefined ? openOnCluster() : openUnderPrefix(url, true)
  return url === undefined ? openOnServer() : openUnderPrefix(url, false)
}

async function openOnServer(): Promise<ValkeyStore> {
  const { url, drop } = await createTestValkey()
  const client = new Redis(url, { lazyConnect: true })
  client.on('error', () => {})
  const options = { url, cluster: false, keyPrefix: 'ff' }
  return {
    options,
    inside: {
      options,
      keyPrefix: 'ff',
      send: (command, ...args) => client.callBuffer(command, ...args),
      keys: () => client.keys('*'),
    },
    async close() {
      client.disconnect()
      await drop()
    },
  }
}

function openOnCluster(): ValkeyStore {
  const addresses = testClusterAddresses()
  const [first] = addresses
  if (first === undefined) throw new Error('the Cluster has no nodes')
  const client = new Cluster([...addresses], { lazyConnect: true })
  client.on('error', () => {})
  const keyPrefix = `t${randomBytes(5).toString('hex')}`
  return underPrefix(client, { url: `valkey://${first.host}:${first.port}`, cluster: true, keyPrefix })
}

function openUnderPrefix(url: string, cluster: boolean): ValkeyStore {
  const keyPrefix = `${inject('valkeyRunPrefix')}-${randomBytes(4).toString('hex')}`
  return underPrefix(openValkeyClient(url, cluster), { url, cluster, keyPrefix })
}

function underPrefix(client: Redis | Cluster, options: ValkeyStore['options']): ValkeyStore {
  const { keyPrefix } = options
  return {
    options,
    inside: {
      options,
      keyPrefix,
      keys: () => listKeys(client, `${keyPrefix}:`),
      send: (command, ...args) => client.callBuffer(command, ...args),
    },
    async close() {
      await removeKeys(client, `${keyPrefix}:`)
      client.disconnect()
    },
  }
}
