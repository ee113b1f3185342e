import { randomUUID } from 'node:crypto'
import { type Bytes, engineError, isEngineError, must } from '@flowfabric/core'
import type { PackedAmounts } from '../admission/packed-demands.js'
import { leaseOf } from '../admission/resource-names.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { asList } from '../library/as-list.js'
import { interned } from '../library/interned.js'
import type { Durable, Invoke } from '../library/invoke.js'
import { bytesAt, readHanded } from './handed-out.js'
import type {
  ClaimPart,
  EndItem,
  LaneNote,
  Offer,
  OfferedItem,
  SubmitItem,
  SubmitReply,
  WorkBatch,
  WorkReplies,
} from './work-items.js'

type WorkArgs = LibraryFunctions['work_work']['args']

/**
 * Carries out a batch in one call. Throws `store_full` when it brings submissions and the store has no memory for them: then
 * nothing of it was done, and the rest of it may come again alone.
 */
export async function callWork(invoke: Invoke, tag: string, batch: WorkBatch): Promise<WorkReplies> {
  const bytes: Uint8Array[] = []
  const place = (payload: Bytes | null): number => (payload === null ? 0 : bytes.push(payload))
  const policies = new Map<Uint8Array, number>()
  const placeOfPolicy = (policy: Uint8Array | null): number => {
    if (policy === null) return 0
    const known = policies.get(policy) ?? place(policy)
    policies.set(policy, known)
    return known
  }
  const spaces = interned<readonly string[]>((namespaces) => namespaces.join(','))
  const routes = interned<SubmitItem['route']>(({ rid }) => rid)
  const ends = batch.ends.map((item) => packEnd(item, spaces.placeOf(item.namespaces), place))
  const items = batch.submits.map((item): WorkArgs[3][number] => [
    item.id,
    routes.placeOf(item.route),
    item.priority,
    item.startMs,
    item.delayMs,
    placeOfPolicy(item.policy),
    item.spec,
    item.hash,
    place(item.input),
  ])
  const call = (isRepeat: boolean) =>
    invoke({
      name: batch.submits.length > 0 ? 'work_accept' : 'work_work',
      tag,
      args: [
        spaces.list.map((namespaces) => [...namespaces]),
        ends,
        routes.list.map(({ rid, text, laneKey }): WorkArgs[2][number] => [rid, text, laneKey]),
        items,
        batch.claims.map((claim) => packClaim(claim, isRepeat)),
        batch.carries,
        [...batch.carried],
      ],
      bytes,
      brings: bringsOf(batch),
      // Sent again as it is, a claim would hand out more.
      repeatable: isRepeat || batch.claims.length === 0,
    })
  const answer = await call(false).catch((fault: unknown) => {
    if (batch.claims.length > 0 && isLost(fault)) return call(true)
    throw fault
  })
  const [ended, submitted, claimed, notes, offers, messages] = answer.reply
  return {
    ends: asList(ended),
    submits: asList(submitted).map((reply) => readSubmit(reply, answer.bytes)),
    claims: asList(claimed).map((list, index) => ({
      handed: asList(list).map((each) => readHanded(each, answer.bytes)),
      offers: readOffers(offers, index),
      isElsewhere: hasNote(notes, index, 'elsewhere'),
      hasNewRoutes: hasNote(notes, index, 'routes'),
      notes: readNotes(notes, index, batch.claims[index]),
      edges: answer.news.edges,
    })),
    messages: asList(messages).map(([entry, what]) => ({ entry, what })),
  }
}

/** The answer never came, and the connection is not merely behind. */
function isLost(fault: unknown): boolean {
  return isEngineError(fault) && fault.code === 'connection_lost' && fault.mayHaveCommitted === true
}

function packClaim(claim: ClaimPart, isRepeat: boolean): WorkArgs[4][number] {
  return [
    claim.instanceId,
    claim.workerId,
    claim.claimId,
    claim.leaseTtlMs,
    claim.max,
    mintLeaseBase(),
    isRepeat,
    claim.lanes.map(({ lane, virtualTime, credit, rids }) => [
      lane,
      virtualTime,
      credit?.epoch ?? 0,
      credit?.slots ?? 0,
      credit?.seq ?? 0,
      [...rids],
    ]),
    claim.routesVersion,
  ]
}

function bringsOf({ ends, submits }: WorkBatch): readonly Durable[] {
  return [
    ...(ends.length > 0 ? ['terminal' as const] : []),
    ...(submits.length > 0 ? ['submit' as const] : []),
  ]
}

function packEnd(
  { id, attemptIndex, leaseId, epoch, end }: EndItem,
  space: number,
  place: (payload: Bytes | null) => number,
): WorkArgs[1][number] {
  if (end.op === 'c') return [id, attemptIndex, leaseId, epoch, space, 'c', '', 0, 0, place(end.result)]
  const { wish, failure } = end
  const [word, ms] =
    typeof wish === 'string' ? [wish, 0] : 'atMs' in wish ? ['at', wish.atMs] : ['after', wish.afterMs]
  return [id, attemptIndex, leaseId, epoch, space, 'f', word, ms, failure, 0]
}

function readSubmit(reply: readonly unknown[], bytes: readonly Uint8Array[]): SubmitReply {
  switch (reply[0]) {
    case 'a':
      return { kind: 'accepted' }
    case 't':
      return {
        kind: 'taken',
        namespace: String(reply[1]),
        taskKind: String(reply[2]),
        hash: String(reply[3]),
        input: bytesAt(bytes, reply[4]),
      }
    case 'l':
      return { kind: 'lane_closed', state: String(reply[1]) }
    case 'r':
      return { kind: 'too_many_routes' }
    default:
      throw engineError('corruption', `work answered ${String(reply[0])} to a submission`, {
        subject: 'work',
      })
  }
}

function readOffers(offers: LibraryFunctions['work_work']['reply'][4], index: number): readonly Offer[] {
  return asList(offers).flatMap(([nth, line, token, namespace, asked, list]): Offer[] => {
    if (nth !== index + 1) return []
    const asks = asList(asked).map(([quotas, budgets]): OfferedItem['asks'] => ({
      quotas: asList(quotas),
      budgets: asList(budgets).map(([budget, estimate]) => [budget, asList(estimate as PackedAmounts)]),
    }))
    const items = asList(list).map(
      ([id, number, begins, place]): OfferedItem => ({
        id,
        number,
        lease: leaseOf(token, number),
        begins,
        asks: must(asks[place - 1], 'what it asks'),
      }),
    )
    return [{ line, namespace, token, items }]
  })
}

type Notes = LibraryFunctions['work_work']['reply'][3]

function hasNote(notes: Notes, index: number, word: string): boolean {
  return asList(notes).some(([nth, , state]) => nth === index + 1 && state === word)
}

function readNotes(notes: Notes, index: number, claim: ClaimPart | undefined): readonly LaneNote[] {
  return asList(notes).flatMap(([nth, place, state, weight, active]) => {
    const lane = claim?.lanes[place - 1]?.lane
    if (nth !== index + 1 || lane === undefined) return []
    return [{ lane, state: state === 'closed' || state === 'full' ? state : 'open', weight, active }]
  })
}

/**
 * 24 of the 36 characters of a lease's id; the function counts on behind them. A version 8 UUID: its bits are ours. Node keeps
 * random UUIDs in store, while random bytes cost a system call each.
 */
function mintLeaseBase(): string {
  const uuid = randomUUID()
  return `${uuid.slice(0, 14)}8${uuid.slice(15, 24)}`
}
