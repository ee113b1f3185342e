import {
  type ClaimedExecution,
  type ClaimRequest,
  checkClaim,
  type FoundationBackend,
  limits,
  mintClaimId,
  parseExecutionId,
} from '@flowfabric/core'
import { claimableNow } from '../../model/claim.js'
import type { ExecutionRecord } from '../../model/records.js'
import { answerOf, normalize, outcomesOf } from '../answers.js'
import type { Chooser } from '../chooser.js'
import { type Call, keepLeases, kinds, lanes, type Play, type Side, type World, workerId } from '../world.js'

function chooseClaim(c: Chooser, world: World): ClaimRequest {
  const again = c.rarely(10) ? world.lastClaims.at(-1) : undefined
  if (again !== undefined) return again
  return {
    claimId: mintClaimId(),
    workerId,
    instanceId: world.instances[c.below(2)] ?? world.instances[0],
    namespaces: [world.namespace],
    lanes: c.rarely(3) ? [c.of(lanes)] : [...lanes],
    kinds: c.rarely(3) ? [c.of(kinds)] : [...kinds],
    capabilities: c.rarely(2) ? ['gpu'] : [],
    max: c.rarely(20) ? limits.claimBatchMax + 1 : 1 + c.below(4),
    leaseTtlMs: c.of([60_000, 5_000, 600_000]),
  } as ClaimRequest
}

const wordsOf = (request: ClaimRequest) =>
  `${request.max} of ${request.lanes} for ${request.kinds} with [${request.capabilities}]`

export function claim(c: Chooser, world: World): Play {
  const request = chooseClaim(c, world)
  return {
    text: `leases.claim ${wordsOf(request)}`,
    play: () =>
      playClaim(world, request, {
        inStore: async () => ({ claimed: leasesOf(await world.store.leases.claim(request)) }),
        inModel: async (claimInModel) => ({ claimed: await claimInModel() }),
        outcomes: ({ claimed }) => [claimed.length === 0 ? 'empty' : 'claimed'],
      }),
  }
}

interface Carried {
  readonly items: readonly unknown[]
  readonly claimed: readonly ClaimedExecution[]
}

/** An operation that a claim may go along with. */
interface CarryingCall extends Pick<Call, 'text' | 'keep'> {
  readonly on: (backend: FoundationBackend, side: Side, next?: ClaimRequest | undefined) => Promise<Carried>
}

/** Now and then with a claim that goes along: it is that operation, and then the claim. */
export function withNext(c: Chooser, world: World, call: CarryingCall): Call | Play {
  const next = c.rarely(3) ? chooseClaim(c, world) : undefined
  if (next === undefined) return { ...call, on: (backend, side) => call.on(backend, side) }
  return {
    text: `${call.text}, next ${wordsOf(next)}`,
    play: () =>
      playClaim<Carried>(world, next, {
        inStore: () => call.on(world.store, 'store', next),
        inModel: async (claimInModel) => {
          const { items } = await call.on(world.model, 'model')
          return { items, claimed: await claimInModel() }
        },
        keep: call.keep,
        outcomes: (answer) => [
          ...outcomesOf(answer),
          answer.claimed.length === 0 ? 'next is empty' : 'next is claimed',
        ],
      }),
  }
}

interface Claiming<Answer> {
  readonly inStore: () => Promise<Answer>
  readonly inModel: (claimInModel: () => Promise<readonly ClaimedExecution[]>) => Promise<Answer>
  readonly outcomes: (answer: Answer) => readonly string[]
  readonly keep?: Call['keep']
}

/**
 * Two stores may choose differently among lanes. So the store chooses, its choice is judged by what the model could have
 * handed out, and the model then leases the same.
 */
async function playClaim<Answer extends { readonly claimed: readonly ClaimedExecution[] }>(
  world: World,
  request: ClaimRequest,
  { inStore, inModel, outcomes, keep }: Claiming<Answer>,
): ReturnType<Play['play']> {
  const isRepeat = world.lastClaims.some(({ claimId }) => claimId === request.claimId)
  const store = await answered(inStore)
  const ids = store.answer?.claimed.map(({ executionId }) => executionId) ?? []
  let candidates: readonly ExecutionRecord[] = []
  const model = await answered(() => {
    checkClaim(request)
    return inModel(async () => {
      candidates = claimableNow(world.model.store, request)
      world.model.store.claimOnly = new Set(ids)
      const leases = leasesOf(await world.model.leases.claim(request))
      world.model.store.claimOnly = null
      return leases
    })
  })
  world.lastClaims.push(request)
  keepLeases(world, model.answer?.claimed ?? [], store.answer?.claimed ?? [])
  keep?.({ model: model.answer ?? model, store: store.answer ?? store })
  const differences: string[] = []
  const [mine, its] = [comparable(model), comparable(store)]
  if (mine !== its) differences.push(`the model answers ${mine},\n the store ${its}`)
  if (!isRepeat && store.answer !== undefined)
    differences.push(...judgeChoice(world, request, candidates, ids))
  return { outcomes: store.thrown === undefined ? outcomes(store.answer) : [store.thrown], differences }
}

type Answered<Answer> =
  | { readonly answer: Answer; readonly thrown?: undefined }
  | { readonly answer?: undefined; readonly thrown: string }

async function answered<Answer>(call: () => Promise<Answer>): Promise<Answered<Answer>> {
  return (await answerOf(async () => ({ answer: await call() }))) as Answered<Answer>
}

const leasesOf = (outcome: Awaited<ReturnType<FoundationBackend['leases']['claim']>>) =>
  outcome.outcome === 'claimed' ? outcome.leases : []

/** Leases in an order of their own. */
function comparable({ answer, thrown }: Answered<{ readonly claimed: readonly ClaimedExecution[] }>): string {
  if (thrown !== undefined) return thrown
  const claimed = [...answer.claimed].sort((a, b) => (a.executionId < b.executionId ? -1 : 1))
  return JSON.stringify(normalize({ ...answer, claimed }))
}

/** In each lane and partition the best ones first, and as many as there are. */
function judgeChoice(
  world: World,
  request: ClaimRequest,
  candidates: readonly ExecutionRecord[],
  ids: readonly string[],
): string[] {
  const found: string[] = []
  const queues = new Map<string, string[]>()
  for (const { lane, id } of candidates) {
    const queue = `${lane} ${parseExecutionId(id).slice(0, id.indexOf('}'))}`
    queues.set(queue, [...(queues.get(queue) ?? []), id])
  }
  // What one call submitted together has no order of its own: it stands where its first item does.
  const places = new Map<string, number>()
  for (const { id, score } of candidates) {
    const together = `${world.calls.get(id)} ${score}`
    if (!places.has(together)) places.set(together, places.size)
  }
  const placeOf = new Map(
    candidates.map(({ id, score }) => [id as string, places.get(`${world.calls.get(id)} ${score}`) ?? 0]),
  )
  for (const [queue, order] of queues) {
    const taken = order.filter((id) => ids.includes(id))
    const last = Math.max(...taken.map((id) => placeOf.get(id) ?? 0))
    const passedOver = order.filter((id) => !ids.includes(id) && (placeOf.get(id) ?? 0) < last)
    if (passedOver.length > 0) found.push(`out of ${queue} } it took ${taken} before ${passedOver}`)
  }
  const room = request.lanes.map((lane) => {
    const waiting = candidates.filter((x) => x.lane === lane).length
    const { concurrency } = world.model.store.lanes.get(`${world.namespace}/${lane}`) ?? { concurrency: null }
    const active = [...world.model.store.executions.values()].filter(
      (x) => x.lane === lane && x.state.lifecyclePhase === 'active' && !ids.includes(x.id),
    ).length
    return concurrency === null ? waiting : Math.min(waiting, Math.max(0, concurrency - active))
  })
  const expected = Math.min(
    request.max,
    room.reduce((sum, each) => sum + each, 0),
  )
  if (ids.length !== expected) found.push(`it handed out ${ids.length} where ${expected} could be had`)
  return found
}
