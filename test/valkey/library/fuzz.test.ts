import { createValkeyBackend, type ValkeyBackend } from '@flowfabric/backend-valkey'
import {
  type ExecutionId,
  isErrorCode,
  mintClaimId,
  mintExecutionIdInFlow,
  mintFlowId,
  mintInstanceId,
  mintSignalId,
  mintSoloExecutionId,
  mintSuspensionId,
  mintWaitpointId,
  parseKind,
  parseLaneId,
  parseNamespace,
  parsePartitionTag,
  parseWorkerId,
  uuidOf,
} from '@flowfabric/core'
import { Redis } from 'iovalkey'
import { Packr } from 'msgpackr'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { library } from '../../../packages/backend-valkey/src/generated/library.js'
import { createRandom } from '../../model/random.js'
import { startMs } from '../../support/backends.js'
import { chooseSeed } from '../../support/random-runs.js'
import { startValkey, type ValkeyServer } from '../../support/servers/valkey.js'
import { rounds } from '../../support/soak.js'
import { readFunctionShapes } from './argument-shapes.js'
import { below, makeArguments, type Pool, pick } from './wild-values.js'

const namespace = parseNamespace('fuzzed')
const packr = new Packr({ useRecords: false, int64AsType: 'number' })
const functions = readFunctionShapes()

/** What a library answers beside codes of the contract; the wrapper turns each into one of them. */
const ownCodes = new Set(['invalid_arguments', 'not_found'])

describe('functions of the library called below their wrapper', () => {
  let server: ValkeyServer
  let backend: ValkeyBackend
  let client: Redis
  beforeAll(async () => {
    // The digest of all data says whether a call has changed anything.
    server = await startValkey({ settings: { 'enable-debug-command': 'local' } })
    backend = createValkeyBackend({ url: server.url, partitions: { flow: 1, budget: 1, quota: 1 } })
    await backend.maintenance.prepare({ virtualTime: { startMs } })
    client = new Redis(server.url)
  })
  afterAll(async () => {
    client?.disconnect()
    await backend?.maintenance.close()
    await server?.stop()
  })

  it('refuse what they cannot read with a typed error, and change nothing then', async () => {
    const seed = chooseSeed()
    const random = createRandom(seed)
    const counts = { accepted: 0, refused: 0 }
    let pool = await makeContent(backend, client)
    let digest = String(await client.call('DEBUG', 'DIGEST'))
    const calls = rounds(50_000)
    for (let call = 0; call < calls; call += 1) {
      const { name, args } = pick(functions, random)
      const argv = makeCall(args, pool, random)
      const answer = await client
        .callBuffer('FCALL', `${library.prefix}${name}`, 1, pickKey(random), ...argv)
        .catch((error: unknown) => error)
      if (answer instanceof Error) {
        counts.refused += 1
        const [mark, code = ''] = answer.message.split(' ')
        const isTyped =
          mark === 'FF' && (isErrorCode(code) || ownCodes.has(code)) && code !== 'internal_error'
        expect(isTyped, `${describeCall(seed, call, name, argv)} answered ${answer.message}`).toBe(true)
        const now = String(await client.call('DEBUG', 'DIGEST'))
        expect(now, `${describeCall(seed, call, name, argv)} was refused and changed something`).toBe(digest)
      } else {
        counts.accepted += 1
        digest = String(await client.call('DEBUG', 'DIGEST'))
        // What calls like these leave is no test of the next ones.
        if (call % 200 === 199) {
          await client.flushdb()
          await backend.maintenance.prepare({ virtualTime: { startMs } })
          pool = await makeContent(backend, client)
          digest = String(await client.call('DEBUG', 'DIGEST'))
        }
      }
    }
    process.stdout.write(`fuzz: ${calls} calls with seed ${seed}: ${JSON.stringify(counts)}\n`)
    expect(counts.refused).toBeGreaterThan(calls / 10)
    expect(counts.accepted).toBeGreaterThan(calls / 100)
  }, 1_200_000)
})

function makeCall(
  args: Parameters<typeof makeArguments>[0],
  pool: Pool,
  random: ReturnType<typeof createRandom>,
) {
  const header: unknown[] = [64, 64, 512, 1 + below(random, 1_000_000), 0, '0', 'fuzzfuzz']
  if (below(random, 3) === 0) header.push('0a1b2c3d')
  if (below(random, 50) === 0) header[below(random, 7)] = pick([-1, 'x', null, 1e300], random)
  const packed = packr.pack([header, makeArguments(args, pool, random)])
  if (below(random, 50) === 0) return [packed.subarray(0, below(random, packed.length))]
  const blobs = Array.from({ length: below(random, 4) }, () => Buffer.from(pick(pool.texts, random)))
  return [packed, ...blobs]
}

function pickKey(random: ReturnType<typeof createRandom>): string {
  if (below(random, 60) === 0)
    return pick(['', 'ff', 'ff:idx:{fp:9}:meta', 'ff:exec:{fp:0}:x:core', 'ff:idx:{}:meta'], random)
  return pick(['ff:idx:{fp:0}:meta', 'ff:idx:{fp:0}:meta', 'ff:idx:{q:0}:meta'], random)
}

function describeCall(seed: number, call: number, name: string, argv: readonly Buffer[]): string {
  let args: unknown = 'unreadable'
  try {
    args = packr.unpack(argv[0] as Buffer)
  } catch {
    // Cut short on purpose.
  }
  return `call ${call} of seed ${seed}, ${name} ${JSON.stringify(args)?.slice(0, 1_500)}`
}

/** Some of everything, and the words in which it is stored. */
async function makeContent(backend: ValkeyBackend, client: Redis): Promise<Pool> {
  const lane = parseLaneId('lane')
  const kind = parseKind('work')
  const ids = Array.from({ length: 4 }, () => mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 }))
  await backend.executions.submit({
    namespace,
    items: ids.map((id) => ({ id, lane, kind, input: new Uint8Array([1, 2, 3]) })),
  })
  const flowId = mintFlowId()
  const [a, b, c] = [
    mintExecutionIdInFlow(flowId, 1),
    mintExecutionIdInFlow(flowId, 1),
    mintExecutionIdInFlow(flowId, 1),
  ]
  await backend.flows.submit({
    namespace,
    flowId,
    nodes: [a, b, c].map((id) => ({ id, lane, kind, input: null })),
    edges: [
      { from: a, to: c, as: 'left' },
      { from: b, to: c },
    ],
  })
  const instanceId = mintInstanceId()
  const claim = await backend.leases.claim({
    namespaces: [namespace],
    lanes: [lane],
    kinds: [kind],
    capabilities: [],
    workerId: parseWorkerId('worker'),
    instanceId,
    claimId: mintClaimId(),
    leaseTtlMs: 30_000,
    max: 3,
  })
  const [parent] = ids as [ExecutionId]
  const waitpointIds = [mintWaitpointId(0), mintWaitpointId(0)] as const
  const suspensionId = mintSuspensionId(0)
  await backend.executions.submit({
    namespace,
    items: [
      {
        id: mintSoloExecutionId({ namespace, lane, shards: 1, count: 1 }),
        lane,
        kind,
        input: null,
        parent: { id: parent, detached: false },
      },
    ],
  })
  await backend.suspensions.suspend({
    namespaces: [namespace],
    items: (claim.outcome === 'claimed' ? claim.leases : []).slice(0, 1).map(({ handle }) => ({
      handle,
      suspensionId,
      reason: 'signal',
      condition: { kind: 'signal', waitpointId: waitpointIds[0] },
      waitpoints: waitpointIds.map((waitpointId, place) => ({ waitpointId, name: `gate${place}` })),
    })),
  })
  await backend.suspensions.deliverSignal({
    namespace,
    waitpointId: waitpointIds[1],
    signalId: mintSignalId(0),
    name: 'go',
    payload: new Uint8Array([1]),
    idempotencyKey: 'key',
    source: null,
  })
  await backend.resolution.dispatchCompletions({ partition: parsePartitionTag('{fp:0}'), max: 10 })
  const keys = await client.keys('*')
  const stored = [...ids, a, b, c, ...waitpointIds, suspensionId].map(uuidOf)
  const routes = Object.keys(await client.hgetall('ff:idx:{fp:0}:routes'))
  return {
    texts: [
      ...stored,
      ...stored,
      flowId,
      instanceId,
      namespace,
      `${namespace}/lane`,
      'lane',
      ...routes,
      ...letters,
      `{fp:0}:${uuidOf(parent)}`,
      `l{fp:0}:${uuidOf(parent)}`,
      suspensionState,
      ...keys,
    ],
    numbers: [0, 0, 1, 1, 2, 3, 5, 64, 500, startMs, startMs + 60_000],
  }
}

/** What a condition with one leaf begins with. */
const suspensionState = '[{"signals":[],"keys":[],"end":null}]'

const letters = [
  'a',
  'c',
  'd',
  'e',
  'f',
  'i',
  'k',
  'l',
  'n',
  'o',
  'p',
  'q',
  's',
  't',
  'x',
  'policy',
  'never',
  'open',
  'operator',
]
