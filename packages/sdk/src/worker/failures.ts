import { type FailLease, type Failure, isEngineError, limits } from '@flowfabric/core'
import { RetryAtError, TerminalError } from '../errors.js'
import { AbortReason } from './abort-reason.js'

/** How much of a stack is kept. */
const DETAILS_CHARS_MAX = 8_192
const CATEGORY_PATTERN = /^[^\p{Cc}\p{Cs}]{1,128}$/u

/** What is recorded of what a handler threw, and what it asks for. */
export function describeFailure(thrown: unknown): Pick<FailLease, 'failure' | 'retry'> {
  const failure: Failure = {
    category: readCategory(thrown),
    message: cutUtf8(cleanText(readMessage(thrown)), limits.failureMessageBytesMax),
    ...(thrown instanceof Error &&
      thrown.stack !== undefined && { details: cleanText(thrown.stack).slice(0, DETAILS_CHARS_MAX) }),
  }
  if (thrown instanceof TerminalError) return { failure, retry: 'never' }
  if (thrown instanceof RetryAtError) return { failure, retry: { atMs: Math.max(0, Math.ceil(thrown.atMs)) } }
  return { failure }
}

/** An input that does not fit its task now will not fit at the next attempt either. */
export function describeInvalidInput(thrown: unknown): Pick<FailLease, 'failure' | 'retry'> {
  const { failure } = describeFailure(thrown)
  return { failure: { ...failure, category: 'validation' }, retry: 'never' }
}

function readCategory(thrown: unknown): string {
  if (thrown instanceof AbortReason) return thrown.kind === 'timed_out' ? 'timeout' : thrown.kind
  if (isEngineError(thrown)) return thrown.code
  const category =
    typeof thrown === 'object' && thrown !== null && 'category' in thrown ? thrown.category : undefined
  return typeof category === 'string' && CATEGORY_PATTERN.test(category) ? category : 'error'
}

function readMessage(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message === '' ? thrown.name : thrown.message
  return typeof thrown === 'string' ? thrown : `Thrown: ${String(thrown)}`
}

/** Without NUL, which no store keeps as text, and without halves of surrogate pairs. */
function cleanText(text: string): string {
  return Buffer.from(text.replaceAll('\0', '\uFFFD'), 'utf8').toString('utf8')
}

/** The longest beginning that is within so many bytes of UTF-8, without cutting a character. */
function cutUtf8(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.byteLength <= bytesMax) return text
  let end = bytesMax
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
