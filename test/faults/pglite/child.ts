// An embedded store in a folder, with its engine, a worker and a load: a process that is killed and started again. What it was
// told it writes into the ledger's file before it goes on. SIGTERM has it begin nothing more, and end when all has ended.
import { fstatSync, openSync, writeSync } from 'node:fs'
import { createEmbedded } from '@flowfabric/embedded'
import { createRandom } from '../../model/random.js'
import { Ledger } from '../load/ledger.js'
import { startLoad } from '../load/load.js'
import { createLogger, type Line, startNode } from '../load/node.js'
import { configureLanes, createRoles, partitions, prepareRoles } from '../load/prepare.js'
import { everyRole } from '../load/roles/index.js'
import { untilAllEnded } from '../load/settle.js'

const { FF_FOLDER: store = '', FF_LEDGER: file = '', FF_HOOK: url = '', FF_SEED: seed = '0' } = process.env

const descriptor = openSync(file, 'a')
const isFirst = fstatSync(descriptor).size === 0
const ledger = new Ledger((line) => writeSync(descriptor, `${line}\n`))
const lines: Line[] = []
const logger = createLogger(lines)
const embedded = await createEmbedded({
  store,
  partitions,
  scanners: { webhookDispatcher: { leaseMs: 5_000 } },
  engine: { logger, webhooks: { allow: ['127.0.0.0/8'], allowHttp: true } },
})
await embedded.start()
const roles = createRoles(everyRole, ledger, { url, received: [] })
if (isFirst) await configureLanes(embedded.backend)
const { engine } = embedded
const node = await startNode({ engine, ledger, roles, logger, close: () => embedded.stop() })
if (isFirst) await prepareRoles(roles, node)
const load = startLoad([node], roles, ledger, createRandom(Number(seed)), { submitters: 2 })

process.once('SIGTERM', () => void end())

async function end(): Promise<void> {
  await load.stop()
  await untilAllEnded(node, roles, ledger)
  await node.stop()
  process.exit(0)
}
