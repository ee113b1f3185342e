import { type FoundationBackend, mintUuid, SigningSecret } from '@flowfabric/core'
import { createEngine } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'
import { onTestFinished } from 'vitest'
import type { Random } from '../../model/random.js'
import { startReceiver } from '../../support/receiver.js'
import { Ledger } from './ledger.js'
import { type Load, type LoadOptions, startLoad } from './load.js'
import { createLogger, type Lines, type Node, startNode } from './node.js'
import { configureLanes, createRoles, prepareRoles } from './prepare.js'
import type { Role, RoleFactory } from './role.js'
import { firstRoles } from './roles/index.js'

/** A store under load: two engines with a worker each. */
export interface Scene {
  readonly backend: FoundationBackend
  readonly nodes: readonly Node[]
  readonly ledger: Ledger
  readonly roles: readonly Role[]
  readonly lines: Lines
  readonly load: Load
}

export interface SceneOptions extends LoadOptions {
  /** Default: those that every store is asked first. */
  readonly roles?: readonly RoleFactory[] | undefined
}

/** `open` gives a backend as another process would have it. All ended with the test. */
export async function openScene(
  open: () => FoundationBackend,
  random: Random,
  { roles: factories = firstRoles, ...options }: SceneOptions = {},
): Promise<Scene> {
  const ledger = new Ledger()
  const lines: Lines = []
  const receiver = await startReceiver()
  onTestFinished(() => receiver.close())
  const roles = createRoles(factories, ledger, receiver)
  const backend = open()
  onTestFinished(() => backend.maintenance.close())
  await backend.maintenance.prepare()
  await configureLanes(backend)
  await backend.keyring.add(secret)
  const nodes = [await openNode(open, ledger, roles, lines), await openNode(open, ledger, roles, lines)]
  await prepareRoles(roles, nodes[0] as Node)
  const load = openLoad(nodes, roles, ledger, random, options)
  return { backend, nodes, ledger, roles, lines, load }
}

const secret = new SigningSecret('k1', mintUuid())

export async function openNode(
  open: () => FoundationBackend,
  ledger: Ledger,
  roles: readonly Role[],
  lines: Lines,
): Promise<Node> {
  const backend = open()
  const logger = createLogger(lines)
  const engine = createEngine({
    backend,
    scanners: foundationScanners({
      // A delivery whose handing out was not heard of waits for so long.
      webhookDispatcher: { leaseMs: 5_000 },
      // The net looks at all of a partition in some passes: what a fail-over has torn apart is mended within the test.
      indexReconciler: { intervalMs: 2_000, quietIntervalMs: 2_000 },
      // Slots and reservations of claims that a fail-over has lost, which hold back all others of their key.
      quotaReconciler: { intervalMs: 2_000 },
      budgetReconciler: { intervalMs: 2_000 },
    }),
    logger,
    signingSecrets: [secret],
    webhooks: { allow: ['127.0.0.0/8'], allowHttp: true },
  })
  await engine.start()
  const close = () => engine.stop({ graceMs: 2_000 }).then(() => backend.maintenance.close())
  const node = await startNode({ engine, ledger, roles, logger, close })
  onTestFinished(() => node.stop())
  return node
}

export function openLoad(
  nodes: readonly Node[],
  roles: readonly Role[],
  ledger: Ledger,
  random: Random,
  options: LoadOptions = {},
): Load {
  const load = startLoad(nodes, roles, ledger, random, options)
  onTestFinished(() => load.stop())
  return load
}
