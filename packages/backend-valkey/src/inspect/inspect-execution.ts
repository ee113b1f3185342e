import {
  type Execution,
  type ExecutionId,
  engineError,
  makeExecutionId,
  partitionIndexOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { addressOf } from '../executions/operate.js'
import {
  attemptFields,
  demandsFields,
  executionFields,
  groupFields,
  policyFields,
  waitsFields,
} from '../generated/layouts.js'
import { asList } from '../library/as-list.js'
import { unpack } from '../records/packing.js'
import { readStored, type StoredExecution, toExecution } from '../records/stored-execution.js'
import type { Route } from '../routes/catalogue.js'
import { learnRoutes } from '../routes/route-of.js'
import { nameFields } from './named-fields.js'

type Named = Readonly<Record<string, unknown>>

interface Unreadable {
  readonly unreadable: string
}

/** All that is stored of an execution, for people. What doesn't decode is told as the error that it makes. */
export interface InspectedExecution {
  readonly id: ExecutionId
  /** Store time of the look. */
  readonly nowMs: number
  /** The fields of the record by their names; `null` when there is none. */
  readonly record: Named | null
  /** What the record says, in the words of the contract; `null` where it doesn't decode. */
  readonly execution: Execution | null
  /** The route of the record, where this process or the partition knows it. */
  readonly route: { readonly namespace: string; readonly lane: string; readonly kind: string } | null
  /** Sizes in bytes, of what is in the record; `outside` under a key of its own. */
  readonly payloads: {
    readonly input: number | 'outside' | null
    readonly result: number | 'outside' | null
  } | null
  /** Attempts before the last one, by index. */
  readonly earlierAttempts: readonly Named[]
  readonly group: Named | null
  /** Where its edges come from and lead to: id and name, or id and place in the group there. */
  readonly incoming: readonly ({ readonly from: ExecutionId; readonly as: string | null } | Unreadable)[]
  readonly outgoing: readonly ({ readonly to: ExecutionId; readonly place: number } | Unreadable)[]
  /** Indexes of its partition that it is in, with its score there. */
  readonly indexes: Readonly<Record<string, string>>
  /** Its other keys, and those of a type that none of ours has, with that. */
  readonly keys: readonly string[]
}

/**
 * Reads an execution as it is stored, whatever its namespace and however damaged it is. Throws `execution_not_found` when
 * there is nothing of it.
 */
export async function inspectExecution(ctx: ValkeyContext, id: ExecutionId): Promise<InspectedExecution> {
  const { tag, uuid } = addressOf(id)
  const partition = partitionIndexOf(id)
  const { reply, bytes, news } = await ctx.invoke({ name: 'executions_inspect', tag, args: [uuid] })
  const [parts, indexes, keys] = reply
  const found = new Map(asList(parts).map(([name, place]) => [name, bytes[place - 1] ?? new Uint8Array()]))
  if (found.size + asList(indexes).length + asList(keys).length === 0) {
    throw engineError('execution_not_found', `Nothing is stored of ${id}`, { id })
  }
  const { record, payloads, rid, stored } = describeRecord(found.get('core'), id)
  const route = await findRoute(ctx, partition, rid)
  return {
    id,
    nowMs: news.nowMs,
    record,
    execution: stored === null || route === undefined ? null : readExecution(id, stored, route),
    route: route === undefined ? null : { namespace: route.namespace, lane: route.lane, kind: route.kind },
    payloads,
    earlierAttempts: [...found]
      .filter(([name]) => name.startsWith('attempt '))
      .map(([name, packed]) => describeList(packed, name, attemptFields))
      .sort((one, other) => Number(one.index) - Number(other.index)),
    group: found.has('group') ? describeList(found.get('group'), 'group', groupFields) : null,
    incoming: describePairs(found.get('in'), ([from, as]) => ({
      from: makeExecutionId(partition, String(from)),
      as: as === '' ? null : String(as),
    })),
    outgoing: describePairs(found.get('out'), ([to, place]) => ({
      to: makeExecutionId(partition, String(to)),
      place: Number(place),
    })),
    indexes: Object.fromEntries(asList(indexes)),
    keys: asList(keys),
  }
}

interface DescribedRecord extends Pick<InspectedExecution, 'record' | 'payloads'> {
  readonly rid: string
  readonly stored: StoredExecution | null
}

function describeRecord(packed: Uint8Array | undefined, id: ExecutionId): DescribedRecord {
  if (packed === undefined) return { record: null, payloads: null, rid: '', stored: null }
  try {
    const stored = readStored(packed, id)
    const { fields, input, result } = stored
    const named = nameFields(fields, executionFields)
    return {
      record: {
        ...named,
        attempt: nested(named.attempt, attemptFields),
        policy: nested(named.policy, policyFields),
        ...(named.demands !== undefined && { demands: nested(named.demands, demandsFields) }),
        ...(named.waits !== undefined && { waits: nested(named.waits, waitsFields) }),
      },
      payloads: { input: sizeOf(input), result: sizeOf(result) },
      rid: String(named.rid),
      stored,
    }
  } catch (error) {
    return { record: describeFault(error), payloads: null, rid: '', stored: null }
  }
}

async function findRoute(ctx: ValkeyContext, partition: number, rid: string): Promise<Route | undefined> {
  if (rid === '') return undefined
  if (ctx.catalogue.get(rid) === undefined) await learnRoutes(ctx, partition)
  return ctx.catalogue.get(rid)
}

function readExecution(id: ExecutionId, stored: StoredExecution, route: Route): Execution | null {
  try {
    return toExecution(id, stored, route)
  } catch {
    // Its fields are told anyway.
    return null
  }
}

function nested(value: unknown, places: Readonly<Record<string, number>>): unknown {
  return Array.isArray(value) ? nameFields(value, places) : value
}

function describeList(
  packed: Uint8Array | undefined,
  what: string,
  places: Readonly<Record<string, number>>,
): Named {
  try {
    const fields = unpack(packed ?? new Uint8Array(), what)
    return Array.isArray(fields) ? nameFields(fields, places) : { unreadable: `${what} is no list` }
  } catch (error) {
    return describeFault(error)
  }
}

/** Edges as they are stored, a pair each. */
function describePairs<Edge extends object>(
  packed: Uint8Array | undefined,
  describe: (pair: readonly unknown[]) => Edge,
): readonly (Edge | Unreadable)[] {
  if (packed === undefined) return []
  try {
    const list = unpack(packed, 'edges')
    return (list as unknown[][]).map(describe)
  } catch (error) {
    return [describeFault(error)]
  }
}

function sizeOf(payload: Uint8Array | 'outside' | null): number | 'outside' | null {
  return payload instanceof Uint8Array ? payload.byteLength : payload
}

function describeFault(error: unknown): Unreadable & Named {
  return { unreadable: error instanceof Error ? error.message : String(error) }
}
