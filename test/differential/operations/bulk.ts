import {
  type ExecutionFilter,
  type FoundationBackend,
  makePartitionTag,
  type OperationAdvanceItem,
  type OperationId,
  type OperationWork,
  type PublicState,
  parseBudgetId,
  parseOperationId,
} from '@flowfabric/core'
import { settle } from '../../support/drive.js'
import type { Chooser } from '../chooser.js'
import { type Call, kinds, lanes, type World } from '../world.js'

const malformed = 'no id' as OperationId

/** Members of flows are asked for by their flow, whole: in which order several flows are taken is each store's own. */
export function create(c: Chooser, world: World): Call {
  const repeated = c.rarely(4) ? c.among(world.operations) : undefined
  const operationId = repeated ?? (c.rarely(15) ? malformed : parseOperationId(world.minting.uuid()))
  const params = { namespace: world.namespace, operationId, work: chooseWork(c, world) }
  return {
    text: `operations.create ${operationId} ${JSON.stringify(params.work)}`,
    on: (backend) => backend.operations.create(params),
    keep: (answers) => {
      const answer = answers.get('model') as object
      if (!('thrown' in answer) && !world.operations.includes(operationId)) world.operations.push(operationId)
    },
  }
}

export function get(c: Chooser, world: World): Call {
  const params = chooseName(c, world)
  return {
    text: `operations.get ${params.operationId}`,
    on: async (backend) => {
      const { operation } = await backend.operations.get(params)
      const failures = operation.failures.map(({ executionId, code }) => `${executionId} ${code}`).toSorted()
      return { outcome: 'found', ...operation, failures }
    },
  }
}

export function list(c: Chooser, world: World): Call {
  const params = { namespace: world.namespace, limit: c.rarely(8) ? 0 : 1 + c.below(3) }
  return {
    text: `operations.list by ${params.limit}`,
    on: async (backend) => {
      const ids: string[] = []
      let cursor: string | undefined
      do {
        const page = await backend.operations.list({ ...params, cursor })
        // What a breach left has an id of the store's own.
        ids.push(
          ...page.items.map(({ id, work }) => (world.operations.includes(id) ? id : JSON.stringify(work))),
        )
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { ids }
    },
  }
}

export function change(action: 'pause' | 'resume' | 'stop') {
  return (c: Chooser, world: World): Call => {
    const params = { ...chooseName(c, world), ...(c.rarely(3) ? { reason: 'so' } : {}) }
    return {
      text: `operations.${action} ${params.operationId}`,
      on: (backend) => backend.operations[action](params),
    }
  }
}

/**
 * All partitions, to the end of what is due: how much one call does is each store's own. So is the id of what a breach
 * left, and with it the partition. Where there is any, what users began pauses until it is done, so that all carry it out first.
 * What follows from an end is carried out with it or soon after, by each store's own choice too. Where nobody else decides
 * when, each job of several has the stage for itself, and finds what the one before led to.
 */
export function advance(c: Chooser, world: World): Call {
  const max = c.rarely(12) ? 0 : 10_000
  const { namespace, model } = world
  const running = [...model.store.operations.values()].filter(
    (each) => each.namespace === namespace && each.state === 'running',
  )
  const begun = running.map(({ id }) => id).filter((id) => world.operations.includes(id))
  const isSettled = model.store.options.inlineResolveEdges > 0
  const inTurn = max > 0 && (begun.length < running.length || (isSettled && begun.length > 1)) ? begun : []
  return {
    text: `operations.advance by ${max}${inTurn.length === 0 ? '' : `, ${inTurn} in turn`}`,
    on: async (backend) => {
      const items: OperationAdvanceItem[] = []
      for (const operationId of inTurn) await backend.operations.pause({ namespace, operationId })
      items.push(...(await advanceAll(world, backend, max)))
      for (const operationId of inTurn) {
        if (isSettled) await settle(backend, world.partitions, { except: ['projection'] })
        await backend.operations.resume({ namespace, operationId })
        items.push(...(await advanceAll(world, backend, max)))
      }
      return {
        items: items
          .filter(({ operationId }) => world.operations.includes(operationId))
          .toSorted((a, b) => (a.operationId < b.operationId ? -1 : 1)),
      }
    },
  }
}

async function advanceAll(
  { model }: World,
  { operations }: FoundationBackend,
  max: number,
): Promise<readonly OperationAdvanceItem[]> {
  const items: OperationAdvanceItem[] = []
  for (let index = 0; index < model.store.partitions.quota; index += 1) {
    const partition = makePartitionTag('quota', index)
    // Those of other runs on the same store may come first.
    for (let pass = 0, found = 1; pass < PASSES_MAX && found > 0; pass += 1) {
      const answer = await operations.advance({ partition, max })
      found = answer.items.length
      items.push(...answer.items)
    }
  }
  return items
}

const PASSES_MAX = 100

function chooseWork(c: Chooser, world: World): OperationWork {
  if (c.rarely(12)) {
    const budgetId = parseBudgetId(world.minting.uuid())
    return { kind: 'budget_breach', budgetId, rule: c.of(['cancel_pending', 'fail_running']) }
  }
  const kind = c.of(['cancel', 'replay'] as const)
  const which: ExecutionFilter = c.rarely(2)
    ? { flowId: c.among(world.flows) }
    : {
        lane: c.of(lanes),
        kind: c.of(kinds),
        createdFromMs: world.model.store.clock.nowMs() - c.below(5_000),
      }
  return { kind, filter: { ...which, ...chooseStates(c, kind) } }
}

function chooseStates(c: Chooser, kind: 'cancel' | 'replay'): Pick<ExecutionFilter, 'states'> {
  const ends: readonly PublicState[] = ['failed', 'cancelled', 'expired', 'skipped']
  if (kind === 'replay') return c.rarely(8) ? {} : { states: c.rarely(4) ? ['failed'] : ends }
  if (c.rarely(8)) return { states: ['failed'] }
  return c.rarely(2) ? { states: ['waiting', 'delayed', 'suspended'] } : {}
}

function chooseName(c: Chooser, world: World) {
  const namespace = c.rarely(12) ? world.foreign : world.namespace
  const operationId = c.rarely(12) ? malformed : (c.among(world.operations) ?? malformed)
  return { namespace, operationId }
}
