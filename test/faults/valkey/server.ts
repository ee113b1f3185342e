import { createValkeyBackend, type ValkeyBackendOptions } from '@flowfabric/backend-valkey'
import type { FoundationBackend } from '@flowfabric/core'
import { onTestFinished } from 'vitest'
import type { Random } from '../../model/random.js'
import { startValkey, type ValkeyServer } from '../../support/servers/valkey.js'
import { Ledger } from './ledger.js'
import { configureLanes, type Lines, type Load, type Node, startLoad, startNode } from './load.js'

export const partitions = { flow: 8, budget: 1, quota: 2 }

/** A store under load: two engines with a worker each. */
export interface Scene {
  readonly backend: FoundationBackend
  readonly nodes: readonly Node[]
  readonly ledger: Ledger
  readonly lines: Lines
  readonly load: Load
}

interface ServerOptions {
  readonly durability?: ValkeyBackendOptions['durability']
  /** Of each node. */
  readonly submitters?: number
  /** Where backends connect to, if not to the server itself. */
  readonly through?: (server: ValkeyServer) => Promise<string>
}

/** On a server of its own with `appendfsync everysec`; all ended with the test. */
export async function openServer(
  random: Random,
  { durability, submitters, through }: ServerOptions = {},
): Promise<Scene & { readonly server: ValkeyServer }> {
  const server = await startValkey()
  onTestFinished(() => server.stop())
  const url = (await through?.(server)) ?? server.url
  const open = () => createValkeyBackend({ url, partitions, durability })
  return { server, ...(await openScene(open, random, submitters)) }
}

/** `open` gives a backend as another process would have it. */
export async function openScene(
  open: () => FoundationBackend,
  random: Random,
  submitters?: number,
): Promise<Scene> {
  const ledger = new Ledger()
  const lines: Lines = []
  const backend = open()
  onTestFinished(() => backend.maintenance.close())
  await backend.maintenance.prepare()
  await configureLanes(backend)
  const nodes = [await openNode(open, ledger, lines), await openNode(open, ledger, lines)]
  const load = openLoad(nodes, ledger, random, submitters)
  return { backend, nodes, ledger, lines, load }
}

export async function openNode(open: () => FoundationBackend, ledger: Ledger, lines: Lines): Promise<Node> {
  const node = await startNode(open(), ledger, lines)
  onTestFinished(() => node.stop())
  return node
}

export function openLoad(nodes: readonly Node[], ledger: Ledger, random: Random, submitters?: number): Load {
  const load = startLoad(nodes, ledger, random, submitters === undefined ? {} : { submitters })
  onTestFinished(() => load.stop())
  return load
}
