import { describe, expect, it } from 'vitest'
import type { EngineError } from '../errors/index.js'
import {
  makeExecutionId,
  mintFlowId,
  mintUuid,
  parseBudgetId,
  parseFlowId,
  partitionIndexOf,
} from '../ids/index.js'
import {
  comparePartitionConfigs,
  crc16,
  crc16Text,
  defaultPartitionConfig,
  isPartitionTag,
  makePartitionTag,
  mintExecutionIdInFlow,
  mintSoloExecutionId,
  parsePartitionTag,
  partitionFamilies,
  partitionOfBudget,
  partitionOfExecution,
  partitionOfFlow,
  partitionOfTag,
  quotaKeyPartition,
  quotaPartition,
  readPartitionConfig,
  soloPartition,
  soloPartitionsOfLane,
} from './index.js'

describe('CRC16, XMODEM', () => {
  it.each([
    ['', 0],
    ['123456789', 0x31c3],
    ['default/default', 35_168],
    ['größe/ü', 62_391],
  ])('of %j', (text, checksum) => {
    expect(crc16Text(text)).toBe(checksum)
    expect(crc16(new TextEncoder().encode(text))).toBe(checksum)
  })
})

describe('execution id carries its partition', () => {
  it.each([
    ['0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f', 211, 19],
    ['00000000-0000-0000-0000-000000000000', 0, 0],
    ['ffffffff-ffff-ffff-ffff-ffffffffffff', 65, 1],
    ['123e4567-e89b-12d3-a456-426614174000', 137, 9],
  ])('flow %s is in partition %i of 256, %i of 32', (uuid, of256, of32) => {
    const flowId = parseFlowId(uuid)
    expect(partitionOfFlow(flowId, 256)).toBe(of256)
    expect(partitionOfFlow(flowId, 32)).toBe(of32)
    expect(partitionOfFlow(flowId, 1)).toBe(0)
    for (let member = 0; member < 3; member++) {
      const id = mintExecutionIdInFlow(flowId, 256)
      expect(id.startsWith(`{fp:${of256}}:`)).toBe(true)
      expect(partitionOfExecution(id)).toEqual({ family: 'flow', index: of256 })
    }
  })

  it('flows spread over all partitions', () => {
    const seen = new Set(Array.from({ length: 2_000 }, () => partitionOfFlow(mintFlowId(), 32)))
    expect(seen.size).toBe(32)
  })

  it('budgets and quotas have arithmetic of their own', () => {
    expect(partitionOfBudget(parseBudgetId('0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'), 8)).toBe(3)
    expect(quotaPartition('default', 'default', 8)).toBe(35_168 % 8)
    expect(quotaPartition('acme', 'mail', 65_535)).toBe(crc16Text('acme/mail') % 65_535)
    expect(quotaKeyPartition('0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f', 'a/b', 8)).toBe(
      crc16Text('0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f/a/b') % 8,
    )
  })
})

describe('solo execution follows its lane', () => {
  const lane = { namespace: 'default', lane: 'default', count: 256 }

  it('into one partition with one shard', () => {
    for (let minted = 0; minted < 2; minted++) {
      expect(partitionIndexOf(mintSoloExecutionId({ ...lane, shards: 1 }))).toBe(35_168 % 256)
    }
  })

  it('into at most as many partitions as shards, and old ids still route', () => {
    const before = mintSoloExecutionId({ ...lane, shards: 1 })
    const seen = new Set<number>()
    for (let minted = 0; minted < 500; minted++) {
      seen.add(partitionIndexOf(mintSoloExecutionId({ ...lane, shards: 8 })))
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(soloPartitionsOfLane({ ...lane, shards: 8 }))
    expect(seen.size).toBe(8)
    expect(partitionOfExecution(before).index).toBe(35_168 % 256)
  })

  it('by the formula of the design', () => {
    const uuid = '0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'
    expect(soloPartition({ ...lane, uuid, shards: 10, count: 256 })).toBe((35_168 + (43_475 % 10)) % 256)
    expect(soloPartition({ ...lane, uuid, shards: 65_535, count: 1 })).toBe(0)
  })

  it('never lists more partitions than there are', () => {
    expect(soloPartitionsOfLane({ ...lane, shards: 100, count: 4 })).toEqual([0, 1, 2, 3])
    expect(soloPartitionsOfLane({ ...lane, shards: 2, count: 32 })).toEqual([0, 1])
  })

  it('or another partitioner, whose answers are checked', () => {
    const id = mintSoloExecutionId({ ...lane, shards: 1, partitioner: { partitionOf: () => 3 } })
    expect(partitionIndexOf(id)).toBe(3)
    const wild = { partitionOf: () => 256 }
    expect(codeOf(() => mintSoloExecutionId({ ...lane, shards: 1, partitioner: wild }))).toBe(
      'partition_out_of_range',
    )
  })

  it('the partitioner sees the UUID that is minted', () => {
    let seen = ''
    const partitioner = {
      partitionOf: ({ uuid }: { uuid: string }) => {
        seen = uuid
        return 5
      },
    }
    expect(mintSoloExecutionId({ ...lane, shards: 1, partitioner })).toBe(makeExecutionId(5, seen))
  })
})

describe('strict partition tags', () => {
  it.each([
    ['{fp:07}', 'partition_tag_leading_zeros'],
    ['{fp:65536}', 'partition_tag_index_too_large'],
    ['{xx:1}', 'partition_tag_unknown_family'],
    ['fp:1', 'partition_tag_without_braces'],
    ['{fp:}', 'partition_tag_without_index'],
    ['{p:3}', 'partition_tag_unknown_family'],
    ['{7}', 'partition_tag_without_family'],
    ['{:7}', 'partition_tag_without_family'],
    ['{fp:x}', 'partition_tag_index_not_decimal'],
    ['{fp: 1}', 'partition_tag_index_not_decimal'],
    ['{fp:1}\n', 'partition_tag_without_braces'],
    ['{FP:1}', 'partition_tag_unknown_family'],
    ['{constructor:1}', 'partition_tag_unknown_family'],
    ['{', 'partition_tag_without_braces'],
    ['', 'partition_tag_without_braces'],
  ])('%j is refused with %s', (text, code) => {
    expect(isPartitionTag(text)).toBe(false)
    expect(codeOf(() => parsePartitionTag(text))).toBe(code)
  })

  it('parses {fp:65535} and whatever it makes', () => {
    expect(partitionOfTag(parsePartitionTag('{fp:65535}'))).toEqual({ family: 'flow', index: 65_535 })
    for (const family of partitionFamilies) {
      for (const index of [0, 7, 10, 65_535]) {
        const tag = makePartitionTag(family, index)
        expect(parsePartitionTag(tag)).toBe(tag)
        expect(partitionOfTag(tag)).toEqual({ family, index })
      }
    }
    expect(partitionFamilies.map((family) => makePartitionTag(family, 3))).toEqual([
      '{fp:3}',
      '{b:3}',
      '{q:3}',
    ])
  })
})

describe('partition counts', () => {
  it('have defaults', () => {
    expect(readPartitionConfig()).toEqual({ flow: 32, budget: 8, quota: 8 })
    expect(readPartitionConfig({ flow: 256 })).toEqual({ ...defaultPartitionConfig, flow: 256 })
    expect(readPartitionConfig({ flow: 1, budget: 65_535, quota: 1 })).toBeDefined()
  })

  it.each([0, -1, 65_536, 1.5, Number.NaN])('refuse %d', (count) => {
    expect(codeOf(() => readPartitionConfig({ quota: count }))).toBe('invalid_partition_count')
    expect(codeOf(() => partitionOfFlow(mintFlowId(), count))).toBe('invalid_partition_count')
    expect(
      codeOf(() => soloPartition({ namespace: 'a', lane: 'b', uuid: mintUuid(), shards: count, count: 8 })),
    ).toBe('invalid_partition_count')
  })

  it('of another boot are refused, naming both', () => {
    const stored = readPartitionConfig({ flow: 16 })
    expect(() => comparePartitionConfigs(stored, stored)).not.toThrow()
    expect(() => comparePartitionConfigs(stored, readPartitionConfig({ flow: 32 }))).toThrowError(
      expect.objectContaining({
        code: 'partition_count_mismatch',
        message: expect.stringMatching(/16.*32/),
        details: { family: 'flow', stored: 16, configured: 32 },
      }),
    )
  })
})

function codeOf(act: () => unknown): string | undefined {
  try {
    act()
  } catch (error) {
    return (error as EngineError).code
  }
  return undefined
}
