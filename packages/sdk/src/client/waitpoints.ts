import {
  type CreateWaitpoint,
  type DeliverSignalOutcome,
  deriveWaitpointId,
  type ExecutionId,
  isWaitpointId,
  mintSignalId,
  parseWaitpointId,
  partitionIndexOf,
  type Waitpoint,
  type WaitpointId,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { refusalError } from '../calls/refusals.js'
import { encodePayload } from '../payload/codec.js'
import {
  type OpenWaitpoint,
  openWaitpoint,
  requireTokens,
  type WaitpointOptions,
} from '../suspensions/open-waitpoint.js'
import { type ReceivedSignal, readSignal } from '../suspensions/received-signal.js'
import type { ClientCore } from './client-core.js'
import { listPages } from './list-pages.js'

export interface SignalOptions {
  /** A repeat under it within 24 h is answered as the same signal. Default: every call is a signal of its own. */
  readonly idempotencyKey?: string | undefined
}

/** What a person with a link has. */
export interface WaitpointBearer {
  readonly waitpointId: string
  readonly token: string
}

/** A waitpoint of an execution, by its name or by its id. */
export function waitpointIdOf(executionId: ExecutionId, waitpoint: string): WaitpointId {
  return isWaitpointId(waitpoint) ? waitpoint : deriveWaitpointId(executionId, waitpoint)
}

/** A signal of this connection's credentials. A lost answer is asked for again under the same key. */
export async function sendSignal(
  { backend, namespace, codec, subject }: ClientCore,
  waitpointId: WaitpointId,
  name: string,
  payload: unknown,
  options: SignalOptions | undefined,
): Promise<DeliverSignalOutcome> {
  const signal = describeSignal(waitpointId, name, await encodePayload(codec, payload), options)
  return callSafely(() => backend.suspensions.deliverSignal({ ...signal, namespace, source: subject }))
}

/** A signal of whoever bears the waitpoint's token. */
export async function sendSignalByToken(
  { codec, links }: ClientCore,
  { waitpointId, token }: WaitpointBearer,
  name: string,
  payload: unknown,
  options: SignalOptions | undefined,
): Promise<DeliverSignalOutcome> {
  const tokens = requireTokens(links)
  const id = parseWaitpointId(waitpointId)
  const signal = describeSignal(id, name, await encodePayload(codec, payload), options)
  return callSafely(() => tokens.deliver({ ...signal, token }))
}

function describeSignal(
  waitpointId: WaitpointId,
  name: string,
  payload: Uint8Array | null,
  { idempotencyKey }: SignalOptions = {},
) {
  const signalId = mintSignalId(partitionIndexOf(waitpointId))
  return { waitpointId, signalId, name, payload, idempotencyKey: idempotencyKey ?? signalId }
}

export async function openWaitpointOf(
  { backend, namespace, links }: ClientCore,
  executionId: ExecutionId,
  name: string,
  { expiresAt }: WaitpointOptions = {},
): Promise<OpenWaitpoint> {
  const params: CreateWaitpoint = {
    namespace,
    executionId,
    waitpointId: deriveWaitpointId(executionId, name),
    name,
    ...(expiresAt !== undefined && { expiresAtMs: Math.ceil(Number(expiresAt)) }),
  }
  const answer = await openWaitpoint({ suspensions: backend.suspensions, links }, params)
  if ('opened' in answer) return answer.opened
  throw refusalError(answer, name)
}

export function listWaitpointsOf(
  { backend, namespace }: ClientCore,
  executionId: ExecutionId,
): Promise<readonly Waitpoint[]> {
  return listPages((page) =>
    callSafely(() => backend.suspensions.listWaitpoints({ namespace, executionId, ...page })),
  )
}

export async function listSignalsOf(
  core: ClientCore,
  executionId: ExecutionId,
  waitpoint: string | undefined,
): Promise<readonly ReceivedSignal[]> {
  const { backend, namespace, codec } = core
  const waitpointId = waitpoint === undefined ? undefined : waitpointIdOf(executionId, waitpoint)
  const [waitpoints, signals] = await Promise.all([
    listWaitpointsOf(core, executionId),
    listPages((page) =>
      callSafely(() => backend.suspensions.listSignals({ namespace, executionId, waitpointId, ...page })),
    ),
  ])
  const names = new Map(waitpoints.map(({ id, name }) => [id, name]))
  return Promise.all(signals.map((signal) => readSignal(codec, signal, names)))
}
