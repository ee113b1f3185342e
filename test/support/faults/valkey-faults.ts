import { randomUUID } from 'node:crypto'
import {
  type EntryId,
  type ExecutionId,
  type FlowId,
  makeExecutionId,
  must,
  type PartitionTag,
  parseEntryId,
  partitionIndexOf,
  partitionOfTag,
  uuidOf,
} from '@flowfabric/core'
import {
  holderOf,
  leaseOf,
  nameOfBudget,
  nameOfQuota,
  originOf,
  tagOfResource,
} from '../../../packages/backend-valkey/src/admission/resource-names.js'
import type { ValkeyContext } from '../../../packages/backend-valkey/src/context.js'
import {
  attemptFields as A,
  flowFields as F,
  groupFields as G,
  executionFields as X,
} from '../../../packages/backend-valkey/src/generated/layouts.js'
import { changeLane } from '../../../packages/backend-valkey/src/lanes/change-lane.js'
import { pack, unpack } from '../../../packages/backend-valkey/src/records/packing.js'
import { createContext } from '../../../packages/backend-valkey/src/valkey-backend.js'
import type { ValkeyInside } from '../backends.js'
import type { OutboxRow, StoreFaults } from './faults.js'
import { createValkeyKeys, tagOf, type ValkeyKeys } from './valkey-keys.js'

/** Writes to keys behind the backend's back. */
export function createValkeyFaults(inside: ValkeyInside, partitions: readonly PartitionTag[]): StoreFaults {
  const { send } = inside
  const keys = createValkeyKeys(inside, partitions)
  const changeGroup = (node: ExecutionId, change: (group: unknown[]) => void) =>
    changeRecord(keys, keys.execution(node, 'group'), change)
  const refuse = (tag: string, part: string) => plantFault(inside, keys, tag, 'corruption', part)

  return {
    outbox: async () => (await Promise.all(partitions.map((tag) => readOutbox(inside, keys, tag)))).flat(),

    leaveEntry: ({ executionId, generation }) => leaveEntry(inside, keys, executionId, generation),

    dropOutbox: async () => {
      for (const tag of partitions) {
        await send('DEL', keys.index(tag, 'completions'))
        await send('DEL', keys.index(tag, 'outbox'))
      }
    },

    // Whoever looked at the execution was told that it runs.
    leaveSlot: (quotaId, holder) =>
      leaveHolder(inside, nameOfQuota(quotaId, ''), holder, (ctx, tag, origin) =>
        ctx.invoke({
          name: 'quotas_reserve',
          tag,
          args: [quotaId, '', '', '', origin, uuidOf(holder), [[1, 0, true]]],
        }),
      ),
    leaveReservation: (budgetId, holder) =>
      leaveHolder(inside, nameOfBudget(budgetId), holder, (ctx, tag, origin) =>
        ctx.invoke({
          name: 'budgets_reserve',
          tag,
          args: [budgetId, '', '', origin, uuidOf(holder), [[1, true, ['tokens', 1]]]],
        }),
      ),
    resetAndWakeNobody: () =>
      asProcess(inside, async (ctx) => {
        await ctx.invoke({ name: 'budgets_reset_due', tag: 'b:0', args: [100] })
      }),
    pauseLaneHalfWay: (namespace, lane) =>
      asProcess(inside, async (ctx) => {
        const invoke: ValkeyContext['invoke'] = (invocation) =>
          invocation.name === 'lanes_copy' ? Promise.reject(new Error('it has died')) : ctx.invoke(invocation)
        await changeLane({ ...ctx, invoke }, { namespace, lane, state: 'paused' }).catch(() => {})
      }),

    storePolicyKind: (node, kind) =>
      changeGroup(node, (group) => {
        group[G.kind] = kind ?? ''
      }),

    pendingTuples: async () => {
      const tuples: string[] = []
      for (const tag of partitions) {
        const { index } = partitionOfTag(tag)
        for (const member of texts(await send('SMEMBERS', keys.index(tag, 'pending_cancel_groups')))) {
          const [flowId, node = ''] = member.split('|')
          tuples.push(`${flowId}|${makeExecutionId(index, node)}`)
        }
      }
      return tuples
    },

    purge: async (id) => {
      await send('DEL', keys.execution(id, 'core'))
    },
    purgeFlow: async (flowId) => {
      await send('DEL', keys.flow(flowId, 'core'))
    },
    removeGroup: async (node) => {
      await send('DEL', keys.execution(node, 'group'))
    },
    clearCancelFlag: (node) =>
      changeGroup(node, (group) => {
        group[G.pending] = 0
      }),
    forgetOnDecided: (node) =>
      changeGroup(node, (group) => {
        group[G.on_decided] = ''
      }),

    refuseWrites: async (id) => (await refuse(tagOf(id), `${uuidOf(id)}:core`)).undo,
    refuseGroupWrites: async (node) => (await refuse(tagOf(node), `${uuidOf(node)}:group`)).undo,
    refuseFlowWrites: async (flowId) => (await refuse(keys.tagOfFlow(flowId), `${flowId}:core`)).undo,

    breakSummary: async (flowId) => {
      await send('SET', keys.flow(flowId, 'summary'), '"broken"')
      await changeRecord(keys, keys.flow(flowId, 'core'), (flow) => {
        flow[F.unprojected] = 1
      })
      await send('ZADD', keys.index(keys.tagOfFlow(flowId), 'unprojected'), 0, flowId)
    },

    forgetTimer: async (id) => {
      const tag = tagOf(id)
      await send('ZREM', keys.index(tag, 'timers'), uuidOf(id))
      const attempt = (await readExecution(inside, keys, id))[X.attempt]
      if (!Array.isArray(attempt)) return
      await send('ZREM', keys.index(tag, `instance:${String(attempt[A.instance])}`), uuidOf(id))
    },

    // There are no SQLSTATEs here: what a retry may help against is contention, whatever it is called.
    raiseInGroupWrites: (node, sqlState) =>
      plantFault(
        inside,
        keys,
        tagOf(node),
        retriedStates.includes(sqlState) ? 'contention' : 'internal',
        `${uuidOf(node)}:group`,
      ),

    storeSummaryState: async (flowId, publicFlowState) => {
      const key = keys.flow(flowId, 'summary')
      const summary = JSON.parse(String(await send('GET', key))) as object
      await send('SET', key, JSON.stringify({ ...summary, publicFlowState }))
    },
  }
}

async function leaveHolder(
  inside: ValkeyInside,
  name: string,
  holder: ExecutionId,
  reserve: (ctx: ValkeyContext, tag: string, origin: string) => Promise<unknown>,
): Promise<void> {
  const base = randomUUID().slice(0, 24)
  await asProcess(inside, async (ctx) => {
    const tag = await tagOfResource(ctx, name)
    await reserve(ctx, tag, originOf(tagOf(holder).slice(1, -1), base))
    const runs = [[name, holderOf(holder, leaseOf(base, 1)), true]] as [string, string, boolean][]
    await ctx.invoke({ name: 'admission_settle', tag, args: [runs] })
  })
}

/** What another process does with the same store. */
async function asProcess(
  { options }: ValkeyInside,
  work: (ctx: ValkeyContext) => Promise<void>,
): Promise<void> {
  const { ctx, close } = createContext(options)
  await work(ctx).finally(close)
}

const retriedStates = ['40001', '40P01', '55P03']

/** From now on every write to such a key is refused, with that code, before anything is written. */
async function plantFault(
  { send }: ValkeyInside,
  keys: ValkeyKeys,
  tag: string,
  code: string,
  part: string,
): Promise<{ tries(): Promise<number>; undo(): Promise<void> }> {
  const meta = keys.index(tag, 'meta')
  await send('HDEL', meta, 'fault_tries')
  await send('HSET', meta, 'fault', `${code} ${part}`)
  return {
    tries: async () => Number((await send('HGET', meta, 'fault_tries')) ?? 0),
    undo: async () => {
      await send('HDEL', meta, 'fault', 'fault_tries')
    },
  }
}

async function changeRecord(
  keys: ValkeyKeys,
  key: string,
  change: (fields: unknown[]) => void,
): Promise<void> {
  const fields = await keys.read(key)
  change(fields)
  await keys.write(key, fields)
}

/** The fields of an execution's record: a length, a MessagePack array, and payloads behind it. */
async function readExecution(
  { send }: ValkeyInside,
  keys: ValkeyKeys,
  id: ExecutionId,
): Promise<readonly unknown[]> {
  const key = keys.execution(id, 'core')
  const record = await send('GET', key)
  if (!Buffer.isBuffer(record)) throw new Error(`${key} holds no record`)
  return unpack(record.subarray(4, 4 + record.readUInt32BE(0)), key) as unknown[]
}

/** Entries of a partition: their ids count up, so that they tell which is older. */
async function readOutbox(
  { send }: ValkeyInside,
  keys: ValkeyKeys,
  tag: PartitionTag,
): Promise<readonly OutboxRow[]> {
  const { index } = partitionOfTag(tag)
  const stored = (await send('HGETALL', keys.index(tag, 'outbox'))) as readonly Buffer[]
  const rows: OutboxRow[] = []
  for (let place = 1; place < stored.length; place += 2) {
    const item = unpack(must(stored[place], 'an entry'), 'an entry') as readonly unknown[]
    const execution = String(item[2])
    rows.push({
      entryId: parseEntryId(`${tag}:${String(stored[place - 1])}`),
      executionId: execution === '' ? null : makeExecutionId(index, execution),
    })
  }
  return rows.sort((a, b) => (a.entryId < b.entryId ? -1 : 1))
}

/** As `shared/outbox.lua` puts it, with the count that the flow keeps of its entries. */
async function leaveEntry(
  inside: ValkeyInside,
  keys: ValkeyKeys,
  id: ExecutionId,
  generation: number,
): Promise<EntryId> {
  const { send } = inside
  const tag = tagOf(id)
  const flow = String((await readExecution(inside, keys, id))[X.flow])
  const meta = keys.index(tag, 'meta')
  const seq = Number(await send('HINCRBY', meta, 'seq', 1))
  const uuid = `00000000-0000-4000-8000-${seq.toString(16).padStart(12, '0')}`
  const nowMs = Number(await send('HGET', meta, 'time'))
  const item = ['c', flow, uuidOf(id), generation, 1, 0, nowMs]
  await send('HSET', keys.index(tag, 'outbox'), uuid, pack(item))
  await send('ZADD', keys.index(tag, 'completions'), nowMs, uuid)
  if (flow !== '') {
    await changeRecord(keys, keys.flow(flow as FlowId, 'core'), (fields) => {
      fields[F.entries] = Number(fields[F.entries]) + 1
    })
  }
  return parseEntryId(`{fp:${partitionIndexOf(id)}}:${uuid}`)
}

function texts(reply: unknown): readonly string[] {
  return Array.isArray(reply) ? reply.map(String) : []
}
