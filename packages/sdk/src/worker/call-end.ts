import type {
  Bytes,
  CancelCause,
  Failure,
  FlowResultOutcome,
  RecordedOutcome,
  ResultOutcome,
  StepRecord,
} from '@flowfabric/core'
import { readEntry, writeEntry } from './journal-entry.js'

type FlowEnd = Exclude<FlowResultOutcome, { readonly outcome: 'pending' }>

/** How a called child ended, as the journal keeps it. */
export type CallEnd =
  | { readonly outcome: 'success'; readonly result: Bytes | null }
  | {
      readonly outcome: Exclude<RecordedOutcome, 'success'>
      readonly failure: Failure | null
      readonly cancelCause: CancelCause | null
    }
  | FlowEnd
  | { readonly outcome: 'not_found' }

export function isFlowEnd(end: CallEnd): end is FlowEnd {
  return 'results' in end
}

/** Nothing for one that has not ended, or runs again. Throws the error that the read of it met. */
export function readExecutionCall(found: ResultOutcome | undefined): CallEnd | undefined {
  if (found === undefined || found.outcome === 'pending') return undefined
  if (found.outcome === 'error') throw found.error
  if (found.outcome === 'success') return { outcome: 'success', result: found.result }
  const { outcome, failure, cancelCause } = found
  return { outcome, failure, cancelCause }
}

export function readFlowCall(found: FlowResultOutcome): CallEnd | undefined {
  return found.outcome === 'pending' ? undefined : found
}

type Encoded = string | null

interface CallEntry {
  readonly outcome: CallEnd['outcome']
  readonly result?: Encoded
  readonly results?: Readonly<Record<string, Encoded>>
}

export function writeCall(end: CallEnd): Bytes {
  if (end.outcome === 'success') return writeEntry({ ...end, result: encode(end.result) })
  if (isFlowEnd(end)) return writeEntry({ ...end, results: mapValues(end.results, encode) })
  return writeEntry(end)
}

export function readRecordedCall(record: StepRecord): CallEnd {
  const entry = readEntry<CallEntry>(record)
  return {
    ...entry,
    ...(entry.result !== undefined && { result: decode(entry.result) }),
    ...(entry.results !== undefined && { results: mapValues(entry.results, decode) }),
  } as CallEnd
}

function encode(bytes: Bytes | null): Encoded {
  return bytes === null ? null : Buffer.from(bytes).toString('base64')
}

function decode(text: Encoded): Bytes | null {
  return text === null ? null : Buffer.from(text, 'base64')
}

function mapValues<From, To>(
  record: Readonly<Record<string, From>>,
  map: (value: From) => To,
): Readonly<Record<string, To>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]))
}
