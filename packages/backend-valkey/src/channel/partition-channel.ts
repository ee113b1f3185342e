import { type EngineError, engineError, isEngineError, must } from '@flowfabric/core'
import type { Invoke } from '../library/invoke.js'
import { callWork } from './call-work.js'
import type { Answering } from './gathering.js'
import type {
  ClaimedPart,
  ClaimPart,
  EndItem,
  EndReply,
  LeftMessage,
  SubmitItem,
  SubmitReply,
  WorkBatch,
} from './work-items.js'

/** Items of one call: more would keep others waiting, fewer would pay the fixed cost of a call more often. */
const ITEMS_MAX = 128
const CLAIMS_MAX = 4
/** Payloads of one call. */
const BYTES_MAX = 1_048_576
/** Payloads of a group that has a call of its own; what is more goes in the next one. */
const GROUP_BYTES_MAX = 8 * BYTES_MAX
/** While so many calls are under way, what comes meanwhile goes together in the next one. */
const CALLS_MAX = 2

/** Everything that this process brings to one partition. */
export interface PartitionChannel {
  /** Items of a group share a call, as far as a call can hold them. */
  end(item: EndItem, group: object, answering: Answering<EndReply>): void
  submit(item: SubmitItem, answering: Answering<SubmitReply>): void
  /** Carried out after what was brought before it. */
  claim(part: ClaimPart): Promise<ClaimedPart>
  /** The message of this entry was carried. Goes along with the next call; if it is lost, the message is carried again. */
  forget(entry: string): void
}

interface Entry<Item, Reply> {
  readonly item: Item
  /** Entries of the same key never share a call, nor run at the same time. */
  readonly key: string
  readonly size: number
  readonly group: object | undefined
  readonly answering: Answering<Reply>
}

type Ends = Entry<EndItem, EndReply>
type Submits = Entry<SubmitItem, SubmitReply>
type Claims = Entry<ClaimPart, ClaimedPart>

interface Taken {
  readonly ends: readonly Ends[]
  readonly submits: readonly Submits[]
  readonly claims: readonly Claims[]
  /** Entries of messages that were carried. */
  readonly carried: readonly string[]
}

/**
 * Group commit in the process: what comes in one tick goes in one call, and what comes while calls are under way in the
 * next one. A call that fails for a reason of its own is tried again in halves, down to the item that is the cause.
 */
export function createPartitionChannel(
  tag: string,
  invoke: Invoke,
  carry?: (messages: readonly LeftMessage[]) => void,
): PartitionChannel {
  let carried: string[] = []
  let ends: Ends[] = []
  let submits: Submits[] = []
  let claims: Claims[] = []
  const keysUnderWay = new Set<string>()
  let calls = 0
  let isScheduled = false

  const schedule = () => {
    if (isScheduled || calls >= CALLS_MAX) return
    isScheduled = true
    process.nextTick(() => {
      isScheduled = false
      start()
    })
  }

  const start = () => {
    while (calls < CALLS_MAX && ends.length + submits.length + claims.length + carried.length > 0) {
      const room = { items: ITEMS_MAX, bytes: BYTES_MAX }
      const taken: Taken = {
        ends: take(ends, keysUnderWay, room),
        submits: take(submits, keysUnderWay, room),
        claims: claims.slice(0, CLAIMS_MAX),
        carried,
      }
      ends = withoutFirst(ends, taken.ends.length)
      submits = withoutFirst(submits, taken.submits.length)
      // Behind all that was brought before it.
      const areAllTaken = ends.length + submits.length === 0
      const ready = areAllTaken ? taken.claims : []
      claims = claims.slice(ready.length)
      if (taken.ends.length + taken.submits.length + ready.length + carried.length === 0) return
      calls += 1
      carried = []
      void carryOut({ ...taken, claims: ready }).finally(() => {
        calls -= 1
        for (const { key } of taken.ends) keysUnderWay.delete(key)
        for (const { key } of taken.submits) keysUnderWay.delete(key)
        start()
      })
    }
  }

  const carryOut = async (taken: Taken): Promise<void> => {
    const batch: WorkBatch = {
      ends: taken.ends.map(({ item }) => item),
      submits: taken.submits.map(({ item }) => item),
      claims: taken.claims.map(({ item }) => item),
      carried: taken.carried,
      carries: carry !== undefined,
    }
    try {
      const replies = await callWork(invoke, tag, batch)
      if (replies.messages.length > 0) carry?.(replies.messages)
      settle(taken.ends, replies.ends)
      settle(taken.submits, replies.submits)
      settle(taken.claims, replies.claims)
    } catch (error) {
      if (isEngineError(error, 'store_full') && taken.submits.length > 0) {
        // Only new work is refused: what ends and goes on frees memory.
        for (const { answering } of taken.submits) answering.reject(error)
        if (taken.ends.length + taken.claims.length + taken.carried.length > 0)
          await carryOut({ ...taken, submits: [] })
      } else await halve(taken, error, carryOut)
    }
  }

  return {
    end(item, group, answering) {
      const size = item.end.op === 'c' ? (item.end.result?.byteLength ?? 0) : 0
      ends.push({ item, key: item.id, size, group, answering })
      schedule()
    },
    submit(item, answering) {
      submits.push({ item, key: item.id, size: item.input?.byteLength ?? 0, group: undefined, answering })
      schedule()
    },
    claim: (item) =>
      new Promise((resolve, reject) => {
        claims.push({ item, key: '', size: 0, group: undefined, answering: { resolve, reject } })
        schedule()
      }),
    forget(entry) {
      carried.push(entry)
      schedule()
    },
  }
}

/** As a rule all of them are taken. */
function withoutFirst<Item>(list: Item[], count: number): Item[] {
  return count === list.length ? [] : list.slice(count)
}

/**
 * From the first on, as many as fit. Order is kept: what has to wait holds back what came after it. What comes in a group is
 * taken as a whole: its items may be of the same key, since it is carried out in order.
 */
function take<Item, Reply>(
  waiting: readonly Entry<Item, Reply>[],
  keysUnderWay: Set<string>,
  room: { items: number; bytes: number },
): readonly Entry<Item, Reply>[] {
  const taken: Entry<Item, Reply>[] = []
  while (taken.length < waiting.length) {
    const from = taken.length
    const to = endOfUnit(waiting, from)
    let size = 0
    let isUnderWay = false
    for (let at = from; at < to; at += 1) {
      const { size: itsSize, key } = entryAt(waiting, at)
      size += itsSize
      isUnderWay ||= keysUnderWay.has(key)
    }
    const isFull = room.items < to - from || room.bytes < size
    const isFirst = room.items === ITEMS_MAX
    if ((isFull && !isFirst) || isUnderWay) break
    for (let at = from; at < to; at += 1) {
      const entry = entryAt(waiting, at)
      keysUnderWay.add(entry.key)
      taken.push(entry)
    }
    room.items -= to - from
    room.bytes -= size
  }
  return taken
}

/** Behind the item and those of its group. */
function endOfUnit<Item, Reply>(waiting: readonly Entry<Item, Reply>[], from: number): number {
  const { group, size } = entryAt(waiting, from)
  let to = from + 1
  let bytes = size
  for (; group !== undefined && waiting[to]?.group === group; to += 1) {
    bytes += waiting[to]?.size ?? 0
    if (bytes > GROUP_BYTES_MAX) break
  }
  return to
}

function entryAt<Item, Reply>(waiting: readonly Entry<Item, Reply>[], at: number): Entry<Item, Reply> {
  return must(waiting[at], 'an entry that waits')
}

function settle<Item, Reply>(entries: readonly Entry<Item, Reply>[], replies: readonly Reply[]): void {
  entries.forEach(({ answering }, index) => {
    const reply = replies[index]
    if (reply === undefined)
      answering.reject(engineError('corruption', 'a call answered too few items', { subject: 'work' }))
    else answering.resolve(reply)
  })
}

const sharedKinds: readonly EngineError['kind'][] = ['transport', 'unavailable', 'resource_exhausted']

/**
 * A store that isn't there is nobody's fault: half of the items would fare no better. Entries of messages that were carried are left
 * to the dispatcher, who carries them again.
 */
async function halve(
  { ends, submits, claims }: Taken,
  error: unknown,
  carryOut: (taken: Taken) => Promise<void>,
): Promise<void> {
  const size = ends.length + submits.length
  const isShared = isEngineError(error) && error.code !== 'internal_error' && sharedKinds.includes(error.kind)
  if (isShared || size + claims.length <= 1) {
    for (const { answering } of [...ends, ...submits, ...claims]) answering.reject(error)
    return
  }
  if (claims.length > 0) {
    // What the claims met is most likely their own trouble, and must not part ends that belong together.
    if (size > 0) await carryOut({ ends, submits, claims: [], carried: [] })
    for (const claim of claims) await carryOut({ ends: [], submits: [], claims: [claim], carried: [] })
    return
  }
  const middle = Math.ceil(size / 2)
  const first = {
    ends: ends.slice(0, middle),
    submits: submits.slice(0, Math.max(0, middle - ends.length)),
    claims: [],
    carried: [],
  }
  await carryOut(first)
  await carryOut({ ...first, ends: ends.slice(middle), submits: submits.slice(first.submits.length) })
}
