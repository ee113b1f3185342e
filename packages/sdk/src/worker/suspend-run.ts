import {
  isEngineError,
  type Resumption,
  type Signal,
  type StepRecord,
  type WaitpointId,
} from '@flowfabric/core'
import { callSafely } from '../calls/call-safely.js'
import { listPages } from '../client/list-pages.js'
import { TerminalError } from '../errors.js'
import {
  type ReceivedSignal,
  type Resumed,
  readSignal,
  type SignalSchemas,
} from '../suspensions/received-signal.js'
import { readCondition, type WaitCondition } from '../suspensions/wait-condition.js'
import type { SuspendOptions } from '../tasks/handler-context.js'
import { awaitCondition } from './await-condition.js'
import type { HeldLease } from './held-lease.js'
import { type Journal, recordBehind } from './journal.js'
import { readEntry, writeEntry } from './journal-entry.js'
import type { WorkerCore } from './worker-core.js'

/** `ctx.suspend`: what is recorded, or what the claim brought, or the end of this run. */
export async function suspendRun(
  core: WorkerCore,
  held: HeldLease,
  journal: Journal,
  asked: WaitCondition,
  options: SuspendOptions<SignalSchemas> = {},
): Promise<Resumed> {
  const { reason = 'signal', timeout, resumePolicy, signals: schemas } = options
  const name = options.name ?? journal.nameNext('suspend')
  const known = journal.take(name, 'suspend')
  const { condition, waitpoints } = readCondition(held.claimed.executionId, asked)
  const resumption =
    known === undefined
      ? await suspendAndRecord(core, held, journal, name, {
          reason,
          condition,
          timeout,
          resumePolicy,
          ...(waitpoints.length > 0 && { waitpoints }),
        })
      : readResumption(known)
  const names = new Map(waitpoints.map(({ waitpointId, name: called }) => [waitpointId, called]))
  return toResumed(core, await withAllSignals(core, held, resumption), names, schemas)
}

async function suspendAndRecord(
  core: WorkerCore,
  held: HeldLease,
  journal: Journal,
  name: string,
  awaited: Parameters<typeof awaitCondition>[3],
): Promise<Resumption> {
  const resumption = await awaitCondition(core, held, name, awaited)
  // The claim tells it again until it is recorded, and nobody else could have recorded it under this lease.
  recordBehind(journal, held, name, 'suspend', writeEntry(toEntry(resumption)))
  return resumption
}

interface ResumptionEntry extends Omit<Resumption, 'signals'> {
  readonly signals: readonly (Omit<Signal, 'payload'> & { readonly payload: string | null })[]
}

/** What was too much for a claim stays with the signals themselves, which are read by their suspension. */
function toEntry({ signals, ...rest }: Resumption): ResumptionEntry {
  if (rest.signalsTruncated) return { ...rest, signals: [] }
  const encoded = signals.map(({ payload, ...signal }) => ({
    ...signal,
    payload: payload === null ? null : Buffer.from(payload).toString('base64'),
  }))
  return { ...rest, signals: encoded }
}

function readResumption(record: StepRecord): Resumption {
  const { signals, ...rest } = readEntry<ResumptionEntry>(record)
  return {
    ...rest,
    signals: signals.map(({ payload, ...signal }) => ({
      ...signal,
      payload: payload === null ? null : Buffer.from(payload, 'base64'),
    })),
  }
}

async function withAllSignals(
  { backend }: WorkerCore,
  { claimed, signal }: HeldLease,
  resumption: Resumption,
): Promise<Resumption> {
  if (!resumption.signalsTruncated) return resumption
  const { namespace, executionId } = claimed
  const { suspensionId } = resumption
  const signals = await listPages((page) =>
    callSafely(
      () => backend.suspensions.listSignals({ namespace, executionId, suspensionId, ...page }),
      undefined,
      signal,
    ),
  )
  return { ...resumption, signals }
}

async function toResumed(
  { codec }: WorkerCore,
  { by, atMs, signals, children }: Resumption,
  names: ReadonlyMap<WaitpointId, string>,
  schemas: SignalSchemas | undefined,
): Promise<Resumed> {
  const read: readonly ReceivedSignal[] = await Promise.all(
    signals.map((signal) => readSignal(codec, signal, names, schemas).catch(refuseForGood)),
  )
  const isTyped = ({ name }: ReceivedSignal) => schemas === undefined || Object.hasOwn(schemas, name)
  return {
    by,
    atMs,
    signals: read.filter(isTyped),
    others: read.filter((signal) => !isTyped(signal)),
    children,
  }
}

/** What came does not fit now, and will not at the next attempt either. */
function refuseForGood(error: unknown): never {
  if (isEngineError(error) && error.code === 'invalid_params') {
    throw new TerminalError(error.message, { category: 'validation', cause: error })
  }
  throw error
}
