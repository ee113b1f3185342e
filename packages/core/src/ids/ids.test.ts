import { describe, expect, it } from 'vitest'
import { EngineError } from '../errors/index.js'
import * as ids from './index.js'
import { mintEntryId, mintSignalId, mintSuspensionId, mintWaitpointId } from './index.js'

const UUID = '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'

const uuidKinds = {
  flow: [ids.parseFlowId, ids.isFlowId, ids.mintFlowId],
  attempt: [ids.parseAttemptId, ids.isAttemptId, ids.mintAttemptId],
  lease: [ids.parseLeaseId, ids.isLeaseId, ids.mintLeaseId],
  edge: [ids.parseEdgeId, ids.isEdgeId, ids.mintEdgeId],
  budget: [ids.parseBudgetId, ids.isBudgetId, ids.mintBudgetId],
  quota: [ids.parseQuotaId, ids.isQuotaId, ids.mintQuotaId],
  schedule: [ids.parseScheduleId, ids.isScheduleId, ids.mintScheduleId],
  operation: [ids.parseOperationId, ids.isOperationId, ids.mintOperationId],
  webhook: [ids.parseWebhookId, ids.isWebhookId, ids.mintWebhookId],
  token: [ids.parseTokenId, ids.isTokenId, ids.mintTokenId],
  instance: [ids.parseInstanceId, ids.isInstanceId, ids.mintInstanceId],
  claim: [ids.parseClaimId, ids.isClaimId, ids.mintClaimId],
} as const

const partitionedKinds = {
  execution: [ids.parseExecutionId, ids.isExecutionId, ids.mintExecutionId],
  waitpoint: [ids.parseWaitpointId, ids.isWaitpointId, mintWaitpointId],
  suspension: [ids.parseSuspensionId, ids.isSuspensionId, mintSuspensionId],
  signal: [ids.parseSignalId, ids.isSignalId, mintSignalId],
  entry: [ids.parseEntryId, ids.isEntryId, mintEntryId],
} as const

describe.each(Object.entries(uuidKinds))('the id of kind %s', (kind, [parse, matches, mint]) => {
  it('accepts a UUID in lower case, whatever its version', () => {
    expect(parse(UUID)).toBe(UUID)
    expect(parse('00000000-0000-0000-0000-000000000001')).toBeDefined()
    expect(matches(UUID)).toBe(true)
  })

  it('mints version 7 ids that it accepts', () => {
    const minted = mint()
    expect(parse(minted)).toBe(minted)
    expect(minted[14]).toBe('7')
  })

  it.each([
    ['', 'not_a_uuid'],
    [UUID.toUpperCase(), 'not_lower_case'],
    [UUID.replaceAll('-', ''), 'not_a_uuid'],
    [` ${UUID}`, 'not_a_uuid'],
    [`${UUID}\n`, 'not_a_uuid'],
    [`{fp:7}:${UUID}`, 'not_a_uuid'],
    [undefined, 'not_a_text'],
    [7, 'not_a_text'],
  ])('refuses %j, naming the kind of id and the fault', (text, fault) => {
    expect(matches(text)).toBe(false)
    expect(catchError(() => parse(text as string))).toMatchObject({
      code: `invalid_${kind}_id`,
      kind: 'validation',
      retry: 'never',
      details: { idKind: kind, fault },
    })
  })
})

describe.each(Object.entries(partitionedKinds))('the id of kind %s', (kind, [parse, matches, mint]) => {
  it('carries its partition', () => {
    const minted = mint(65_535)
    expect(minted.startsWith('{fp:65535}:')).toBe(true)
    expect(parse(minted)).toBe(minted)
    expect(matches(minted)).toBe(true)
    expect(ids.partitionIndexOf(minted)).toBe(65_535)
    expect(ids.partitionTagOf(minted)).toBe('{fp:65535}')
    expect(minted).toBe(`{fp:65535}:${ids.uuidOf(minted)}`)
  })

  it('is not minted outside of all partitions', () => {
    for (const index of [-1, 65_536, 1.5, Number.NaN]) {
      expect(catchError(() => mint(index)).code).toBe('partition_out_of_range')
    }
  })

  it.each([
    [UUID, 'without_partition'],
    [`{fp:07}:${UUID}`, 'leading_zeros'],
    [`{fp:00}:${UUID}`, 'leading_zeros'],
    [`{fp:65536}:${UUID}`, 'index_too_large'],
    [`{fp:99999999999999999999}:${UUID}`, 'index_too_large'],
    [`{fp:}:${UUID}`, 'without_index'],
    [`{fp:1e3}:${UUID}`, 'index_not_decimal'],
    [`{fp:-1}:${UUID}`, 'index_not_decimal'],
    [`{fp:٣}:${UUID}`, 'index_not_decimal'],
    [`{p:3}:${UUID}`, 'unknown_family'],
    [`{q:3}:${UUID}`, 'wrong_family'],
    [`{3}:${UUID}`, 'without_family'],
    [`fp:3:${UUID}`, 'without_braces'],
    [`{fp:3}${UUID}`, 'without_braces'],
    [`{fp:3}:${UUID.toUpperCase()}`, 'not_lower_case'],
    [`{fp:3}:${UUID}0`, 'not_a_uuid'],
    ['{fp:3}:', 'not_a_uuid'],
    ['', 'without_braces'],
    [null, 'not_a_text'],
  ])('refuses %j, naming the kind of id and the fault', (text, fault) => {
    expect(matches(text)).toBe(false)
    expect(catchError(() => parse(text as string))).toMatchObject({
      code: `invalid_${kind}_id`,
      details: { idKind: kind, fault },
    })
  })
})

describe('execution ids', () => {
  it('are made of an index and a UUID', () => {
    expect(ids.makeExecutionId(7, UUID)).toBe(`{fp:7}:${UUID}`)
    expect(catchError(() => ids.makeExecutionId(7, 'x')).code).toBe('invalid_execution_id')
    expect(catchError(() => ids.makeExecutionId(65_536, UUID)).code).toBe('partition_out_of_range')
  })

  it('are read from URLs in both forms', () => {
    const id = ids.makeExecutionId(7, UUID)
    expect(ids.formatExecutionIdUrl(id)).toBe(`fp-7-${UUID}`)
    expect(ids.parseExecutionIdUrl(`fp-7-${UUID}`)).toBe(id)
    expect(ids.parseExecutionIdUrl(decodeURIComponent(`%7Bfp:7%7D:${UUID}`))).toBe(id)
  })

  it.each([
    [`fp-07-${UUID}`, 'leading_zeros'],
    [`fp-65536-${UUID}`, 'index_too_large'],
    [`fp--${UUID}`, 'without_index'],
    [`fp-${UUID}`, 'without_index'],
    [`fp-7${UUID}`, 'without_index'],
    [`fp--7-${UUID}`, 'index_not_decimal'],
    [`fp-7-${UUID.toUpperCase()}`, 'not_lower_case'],
    ['fp-7-', 'not_a_uuid'],
    [`b-7-${UUID}`, 'without_braces'],
  ])('refuse the URL form %j', (segment, fault) => {
    expect(catchError(() => ids.parseExecutionIdUrl(segment))).toMatchObject({
      code: 'invalid_execution_id',
      details: { fault },
    })
  })

  it('cut long texts in details', () => {
    const error = catchError(() => ids.parseExecutionId('x'.repeat(10_000)))
    expect(error.message.length).toBeLessThan(200)
    expect(String((error.details as { value?: unknown }).value).length).toBe(80)
  })
})

describe('UUIDs', () => {
  it('are bytes in network order, and back', () => {
    expect([...ids.readUuidBytes('00010203-0405-0607-0809-0a0b0c0d0eff')]).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255,
    ])
    expect(ids.formatUuid(ids.readUuidBytes(UUID))).toBe(UUID)
  })

  it('ascend within a process and are unique', () => {
    const minted = Array.from({ length: 10_000 }, () => ids.mintUuid())
    expect(minted.toSorted()).toEqual(minted)
    expect(new Set(minted).size).toBe(minted.length)
  })
})

function catchError(act: () => unknown): EngineError {
  try {
    act()
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
  throw new Error('Nothing was thrown')
}
