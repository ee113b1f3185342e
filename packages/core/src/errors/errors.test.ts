import { describe, expect, it } from 'vitest'
import {
  cutText,
  EngineError,
  type ErrorCode,
  engineError,
  errorCodes,
  fromProblem,
  isEngineError,
  isErrorCode,
  lookUpErrorCode,
  toProblem,
} from './index.js'

const codes = Object.keys(errorCodes) as ErrorCode[]

describe('the error table', () => {
  it.each(codes)('%s is a complete row', (code) => {
    expect(code).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/)
    const { kind, retry, httpStatus, meaning } = lookUpErrorCode(code)
    expect(httpStatus).toBeGreaterThanOrEqual(400)
    expect(httpStatus).toBeLessThan(600)
    expect(meaning).toMatch(/^[A-Z].*\.$/)
    if (kind === 'validation' || kind === 'not_found') expect(retry).toBe('never')
    if (kind === 'contention' || kind === 'transport') expect(retry).toBe('safe')
    if (kind === 'not_found') expect(httpStatus).toBe(404)
    expect(code.endsWith('_not_found')).toBe(kind === 'not_found')
  })

  it('tells no two meanings with one text', () => {
    expect(new Set(codes.map((code) => errorCodes[code].meaning)).size).toBe(codes.length)
  })

  it('knows its own codes only', () => {
    expect(isErrorCode('cycle')).toBe(true)
    expect(isErrorCode('constructor')).toBe(false)
    expect(isErrorCode(undefined)).toBe(false)
  })
})

describe('EngineError', () => {
  it('takes kind and retry class from the table', () => {
    const error = engineError('cycle', 'The edges form a cycle: a → b → a', { path: ['a', 'b', 'a'] })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'EngineError', code: 'cycle', kind: 'validation', retry: 'never' })
    expect(error.details.path).toEqual(['a', 'b', 'a'])
    expect(error).not.toHaveProperty('mayHaveCommitted')
    expect(error).not.toHaveProperty('cause')
  })

  it('carries what a transport knows', () => {
    const cause = new Error('ECONNRESET')
    const error = engineError(
      'connection_lost',
      'No answer',
      {},
      { cause, mayHaveCommitted: true, retryAfterMs: 50 },
    )
    expect(error).toMatchObject({
      kind: 'transport',
      retry: 'safe',
      mayHaveCommitted: true,
      retryAfterMs: 50,
      cause,
    })
  })

  it('is told from other errors, and by code', () => {
    const error = engineError('empty_flow', 'No nodes')
    expect(isEngineError(error)).toBe(true)
    expect(isEngineError(error, 'empty_flow')).toBe(true)
    expect(isEngineError(error, 'cycle')).toBe(false)
    expect(isEngineError(new Error('empty_flow'))).toBe(false)
    expect(isEngineError({ name: 'EngineError', code: 'cycle' })).toBe(false)
    expect(isEngineError(undefined)).toBe(false)
  })
})

describe('problem documents', () => {
  it.each(codes)('%s survives the wire', (code) => {
    const error = new EngineError(code, 'what was tried', {} as never, {
      mayHaveCommitted: false,
      retryAfterMs: 0,
    })
    const problem = toProblem(error)
    expect(problem).toMatchObject({
      type: `urn:flowfabric:error:${code}`,
      code,
      status: errorCodes[code].httpStatus,
    })
    const {
      code: backCode,
      kind,
      retry,
      message,
      mayHaveCommitted,
      retryAfterMs,
    } = fromProblem(JSON.parse(JSON.stringify(problem)))
    expect({ code: backCode, kind, retry, message, mayHaveCommitted, retryAfterMs }).toEqual({
      code,
      kind: error.kind,
      retry: error.retry,
      message: 'what was tried',
      mayHaveCommitted: false,
      retryAfterMs: 0,
    })
  })

  it('keep details, and leave stack and cause behind', () => {
    const error = engineError('replay_conflict', 'Busy', { ids: ['a'] }, { cause: new Error('secret') })
    const text = JSON.stringify(toProblem(error))
    expect(text).not.toContain('secret')
    expect(text).not.toContain('.ts:')
    expect(fromProblem(JSON.parse(text)).details).toEqual({ ids: ['a'] })
  })

  it('of a code that only a newer server knows keep its retry class', () => {
    const error = fromProblem({ code: 'brand_new', status: 409, detail: 'New', retry: 'after_refresh' })
    expect(error).toMatchObject({
      code: 'unexpected_answer',
      retry: 'after_refresh',
      mayHaveCommitted: false,
    })
    expect(error.details).toEqual({ status: 409, code: 'brand_new' })
    expect(error.message).toBe('New')
  })

  it.each([
    [undefined, 502, 'safe', true],
    ['<html>', 404, 'never', false],
    [[], 500, 'safe', true],
    [null, undefined, 'safe', true],
    [{ code: 'toString' }, 400, 'never', false],
  ])('%j with status %s is an unexpected answer', (json, status, retry, mayHaveCommitted) => {
    expect(fromProblem(json, status)).toMatchObject({ code: 'unexpected_answer', retry, mayHaveCommitted })
  })

  it('ignore fields of the wrong type', () => {
    const error = fromProblem({
      code: 'rate_limited',
      retryAfterMs: '5',
      retry: 'soon',
      details: 3,
      detail: 4,
    })
    expect(error).toMatchObject({ code: 'rate_limited', retry: 'safe', details: {} })
    expect(error.message).toBe(errorCodes.rate_limited.meaning)
    expect(error).not.toHaveProperty('retryAfterMs')
  })
})

describe('cutText', () => {
  it('never gives back more than 80 characters', () => {
    expect(cutText('x'.repeat(80))).toHaveLength(80)
    expect(cutText('x'.repeat(81))).toBe(`${'x'.repeat(79)}…`)
    expect([cutText(undefined), cutText(null), cutText({})]).toEqual(['(undefined)', '(null)', '(object)'])
  })
})
