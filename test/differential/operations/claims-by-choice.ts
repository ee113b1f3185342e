import {
  type ClaimedExecution,
  type ClaimRequest,
  checkClaim,
  type FoundationBackend,
  must,
  parseExecutionId,
} from '@flowfabric/core'
import { claimableNow } from '../../model/claim.js'
import type { ExecutionRecord } from '../../model/records.js'
import { answerOf, normalize, outcomesOf } from '../answers.js'
import { type Call, keepLeases, type Play, type World } from '../world.js'
import { type Carried, type Claims, leasesOf, nameClaim } from './claims.js'
import { claimsInOrder } from './claims-in-order.js'
import { demandKinds } from './demands.js'

/**
 * Two stores may choose differently among lanes and partitions. So the one store that is compared with the model
 * chooses, its choice is judged by what the model could have handed out, and the model then leases the same.
 */
export const claimsByChoice: Claims = {
  alone: (world, request) =>
    asksForLines(request)
      ? claimsInOrder.alone(world, request)
      : {
          text: `leases.claim ${nameClaim(request)}`,
          play: () =>
            playClaim(world, request, {
              inStore: async (store) => ({ claimed: leasesOf(await store.leases.claim(request)) }),
              inModel: async (claimInModel) => ({ claimed: await claimInModel() }),
              outcomes: ({ claimed }) => [claimed.length === 0 ? 'empty' : 'claimed'],
            }),
        },
  along: (world, call, next) =>
    asksForLines(next)
      ? claimsInOrder.along(world, call, next)
      : {
          text: `${call.text}, next ${nameClaim(next)}`,
          play: () =>
            playClaim<Carried>(world, next, {
              inStore: (store) => call.on(store, 'store', next),
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
        },
}

/** What names quotas or budgets has kinds of its own, see `demandKinds`, and who is refused changes as much as who is not. */
const asksForLines = ({ kinds }: ClaimRequest) => kinds.some((kind) => demandKinds.includes(kind))

interface Claiming<Answer> {
  readonly inStore: (store: FoundationBackend) => Promise<Answer>
  readonly inModel: (claimInModel: () => Promise<readonly ClaimedExecution[]>) => Promise<Answer>
  readonly outcomes: (answer: Answer) => readonly string[]
  readonly keep?: Call['keep']
}

async function playClaim<Answer extends { readonly claimed: readonly ClaimedExecution[] }>(
  world: World,
  request: ClaimRequest,
  { inStore, inModel, outcomes, keep }: Claiming<Answer>,
): ReturnType<Play['play']> {
  const isRepeat = world.lastClaims.some(({ claimId }) => claimId === request.claimId)
  const store = await answered(() => inStore(must(world.backends.get('store'), 'the store')))
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
  keepLeases(
    world,
    new Map([
      ['model', model.answer?.claimed ?? []],
      ['store', store.answer?.claimed ?? []],
    ]),
  )
  keep?.(
    new Map<'model' | 'store', unknown>([
      ['model', model.answer ?? model],
      ['store', store.answer ?? store],
    ]),
  )
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
  for (const [queue, order] of queues) {
    const last = order.findLastIndex((id) => ids.includes(id))
    const passedOver = order.slice(0, last + 1).filter((id) => !ids.includes(id))
    if (passedOver.length > 0)
      found.push(`out of ${queue}} it took ${order.filter((id) => ids.includes(id))} before ${passedOver}`)
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
