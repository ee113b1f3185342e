import { createValkeyBackend, type ValkeyBackendOptions } from '@flowfabric/backend-valkey'
import { onTestFinished } from 'vitest'
import type { Random } from '../../model/random.js'
import { startValkey, type ValkeyServer } from '../../support/servers/valkey.js'
import { partitions } from '../load/prepare.js'
import { openScene, type Scene, type SceneOptions } from '../load/scene.js'

interface ServerOptions extends SceneOptions {
  readonly durability?: ValkeyBackendOptions['durability']
  /** Where backends connect to, if not to the server itself. */
  readonly through?: (server: ValkeyServer) => Promise<string>
}

/** On a server of its own with `appendfsync everysec`; all ended with the test. */
export async function openServer(
  random: Random,
  { durability, through, ...options }: ServerOptions = {},
): Promise<Scene & { readonly server: ValkeyServer }> {
  const server = await startValkey()
  onTestFinished(() => server.stop())
  const url = (await through?.(server)) ?? server.url
  const open = () => createValkeyBackend({ url, partitions, durability })
  return { server, ...(await openScene(open, random, options)) }
}
