import {
  type AppendFrames,
  type ReadFrames,
  type ReadStreamSummary,
  streamModes,
  type TailFrames,
} from '../contract/streams.js'
import { engineError } from '../errors/engine-error.js'
import { limits } from '../limits.js'
import { requireFreeName } from '../names.js'
import type { PartitionConfig } from '../partitions/index.js'
import { isJsonObject, type JsonValue } from '../streams/merge-patch.js'
import {
  checkInteger,
  checkOptionalBoolean,
  checkOptionalInteger,
  checkWord,
  invalidParam,
} from './fields.js'
import { type CheckedHandle, checkHandles } from './leases.js'
import { checkExecutionId, checkPageRequest, checkScoped } from './scope.js'

export function checkAppendFrames(params: AppendFrames): readonly CheckedHandle[] {
  return checkHandles(params, limits.frameBatchMax, (item) => {
    checkWord(item.mode, 'mode', streamModes)
    checkInteger(item.frameNumber, 'frameNumber', 0, INDEX_MAX)
    if (item.type !== undefined) requireFreeName(item.type, 'frame type')
    checkFrame(item.frame)
    if (item.mode === 'summary') checkPatch(item.frame)
  })
}

export function checkReadFrames(params: ReadFrames, counts: PartitionConfig): void {
  checkOfAttempt(params, counts)
  checkPageRequest(params)
}

export function checkTailFrames(params: TailFrames, counts: PartitionConfig): void {
  checkReadFrames(params, counts)
  checkOptionalBoolean(params.acrossAttempts, 'acrossAttempts')
  checkOptionalInteger(params.waitMs, 'waitMs', 0, limits.waitMsMax)
}

export function checkReadSummary(params: ReadStreamSummary, counts: PartitionConfig): void {
  checkOfAttempt(params, counts)
}

function checkOfAttempt(params: ReadStreamSummary, counts: PartitionConfig): void {
  checkScoped(params)
  checkExecutionId(params.executionId, counts)
  checkOptionalInteger(params.attemptIndex, 'attemptIndex', 0, INDEX_MAX)
}

function checkFrame(frame: unknown): asserts frame is Uint8Array {
  if (!(frame instanceof Uint8Array)) throw invalidParam('frame', 'must be bytes')
  if (frame.byteLength <= limits.frameBytesMax) return
  throw engineError(
    'frame_too_large',
    `A frame has ${frame.byteLength} bytes, at most ${limits.frameBytesMax}`,
    {
      max: limits.frameBytesMax,
      actual: frame.byteLength,
      field: 'frame',
    },
  )
}

/** Throws `payload_opaque` for what is no JSON, `invalid_patch` for JSON that is no patch of a document. */
function checkPatch(frame: Uint8Array): void {
  const patch = readPlaintext(frame)
  if (!isJsonObject(patch)) throw engineError('invalid_patch', 'A summary patch must be a JSON object')
  const fault = findFault(patch, 1)
  if (fault !== undefined) throw engineError('invalid_patch', `A summary patch ${fault}`)
}

function readPlaintext(frame: Uint8Array): JsonValue {
  try {
    return JSON.parse(strictUtf8.decode(frame)) as JsonValue
  } catch {
    throw engineError('payload_opaque', 'A summary patch must be JSON in plaintext')
  }
}

function findFault(value: JsonValue, depth: number): string | undefined {
  // JSON has no word for it: written again it would be null, which removes.
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'holds a number out of range'
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > limits.jsonDepthMax) return `is nested deeper than ${limits.jsonDepthMax}`
  for (const each of Object.values(value)) {
    const fault = findFault(each, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}

const INDEX_MAX = 999_999_999
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
