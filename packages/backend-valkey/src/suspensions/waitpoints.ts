import {
  type CreateWaitpoint,
  type CreateWaitpointOutcome,
  checkCreateWaitpoint,
  checkFindWaitpoint,
  checkGetWaitpoint,
  checkListWaitpoints,
  type EngineError,
  type ExecutionId,
  engineError,
  type FindWaitpoint,
  type FoundWaitpoint,
  type GetWaitpoint,
  type ListWaitpoints,
  limits,
  makeExecutionId,
  type Namespace,
  type Page,
  partitionIndexOf,
  type RecordedOutcome,
  uuidOf,
  type Waitpoint,
  type WaitpointId,
  type WaitpointState,
} from '@flowfabric/core'
import { readPage } from '../attempts/position-page.js'
import type { ValkeyContext } from '../context.js'
import { executionNotFound } from '../executions/get.js'
import { readRefusal } from '../leases/refusal.js'
import { asList } from '../library/as-list.js'
import { orNotFound } from '../library/not-found.js'
import { outcomeLetters, waitpointStateLetters } from '../records/letters.js'
import { tagOf, wholeId } from './ids.js'

/** Names a point to wait on. */
export async function createWaitpoint(
  ctx: ValkeyContext,
  params: CreateWaitpoint,
): Promise<CreateWaitpointOutcome> {
  const handle = checkCreateWaitpoint(params, await ctx.partitions())
  const { namespace, executionId, waitpointId, name, expiresAtMs } = params
  const uuid = uuidOf(executionId)
  const { reply } = await orNotFound(
    ctx.invoke({
      name: 'suspensions_create_waitpoint',
      tag: tagOf(executionId),
      args: [
        namespace,
        uuid,
        handle === undefined ? [] : [[uuid, handle.attemptIndex, handle.leaseId, handle.epoch]],
        [uuidOf(waitpointId), name, packExpiry(expiresAtMs)],
      ],
    }),
    () => executionNotFound(executionId),
  )
  const [outcome, detail] = reply
  switch (outcome) {
    case 'created':
    case 'duplicate':
      return { outcome, waitpoint: readWaitpoint(executionId, detail as readonly unknown[]) }
    case 'waitpoint_conflict':
      return { outcome }
    case 'too_many_waitpoints':
      throw tooManyWaitpoints(Number(detail))
    case 'execution_terminal':
      return { outcome, terminalOutcome: outcomeLetters.read(detail) as RecordedOutcome }
    default:
      return readRefusal(reply)
  }
}

/** 0 stands for never; the beginning of time is as long over as the first moment after it. */
export function packExpiry(expiresAtMs: number | undefined): number {
  return expiresAtMs === undefined ? 0 : expiresAtMs + 1
}

export function tooManyWaitpoints(actual: number): EngineError {
  const max = limits.waitpointsMax
  return engineError('too_many_waitpoints', `${actual} waitpoints, at most ${max}`, { max, actual })
}

export function waitpointNotFound(id: WaitpointId): EngineError {
  return engineError('waitpoint_not_found', `no waitpoint ${id} in this namespace`)
}

/** Has a waitpoint take no more signals. */
export async function closeWaitpoint(
  ctx: ValkeyContext,
  params: GetWaitpoint,
): Promise<{ readonly outcome: 'set'; readonly previous: WaitpointState }> {
  checkGetWaitpoint(params, await ctx.partitions())
  const { namespace, waitpointId } = params
  const { reply } = await orNotFound(
    ctx.invoke({
      name: 'suspensions_close_waitpoint',
      tag: tagOf(waitpointId),
      args: [namespace, uuidOf(waitpointId)],
    }),
    () => waitpointNotFound(waitpointId),
  )
  return { outcome: 'set', previous: waitpointStateLetters.read(reply) }
}

/** A waitpoint by its id alone, and whose it is. */
export async function findWaitpoint(ctx: ValkeyContext, params: FindWaitpoint): Promise<FoundWaitpoint> {
  checkFindWaitpoint(params, await ctx.partitions())
  const { waitpointId } = params
  const { reply } = await orNotFound(
    ctx.invoke({
      name: 'suspensions_find_waitpoint',
      tag: tagOf(waitpointId),
      args: [uuidOf(waitpointId)],
    }),
    () => waitpointNotFound(waitpointId),
  )
  const [namespace, execution, told] = reply
  const executionId = makeExecutionId(partitionIndexOf(waitpointId), execution)
  return {
    outcome: 'found',
    namespace: namespace as Namespace,
    waitpoint: readWaitpoint(executionId, told),
  }
}

/** The waitpoints of an execution, oldest first. */
export async function listWaitpoints(ctx: ValkeyContext, params: ListWaitpoints): Promise<Page<Waitpoint>> {
  checkListWaitpoints(params, await ctx.partitions())
  const { namespace, executionId } = params
  return readPage(params, async (from, limit) => {
    const { reply } = await orNotFound(
      ctx.invoke({
        name: 'suspensions_list_waitpoints',
        tag: tagOf(executionId),
        args: [namespace, uuidOf(executionId), from, limit],
      }),
      () => executionNotFound(executionId),
    )
    const [told, total] = reply
    return { items: asList(told).map((each) => readWaitpoint(executionId, each)), total }
  })
}

/** `[id, name, letter of its state, created, expires, signals]`. */
function readWaitpoint(executionId: ExecutionId, told: readonly unknown[]): Waitpoint {
  const [id, name, state, createdAtMs, expires, signalCount] = told
  return {
    id: wholeId(partitionIndexOf(executionId), id),
    executionId,
    name: String(name),
    state: waitpointStateLetters.read(state),
    createdAtMs: Number(createdAtMs),
    expiresAtMs: expires === 0 ? null : Number(expires) - 1,
    signalCount: Number(signalCount),
  }
}
