import { type FlowId, isEngineError, parseExecutionId, parseFlowId } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createPartitionRouter } from './partition-router.js'

const flowId: FlowId = parseFlowId('0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f')

describe('execution id carries its partition', () => {
  it('members begin with their flow’s partition, whatever count a router is bound to', () => {
    const router = createPartitionRouter({ flow: 256 })
    const home = router.partitionForFlow(flowId)
    const members = [1, 2, 3].map(() => router.mintMemberId(flowId))
    for (const member of members) {
      expect(member.startsWith(`{fp:${home.index}}:`)).toBe(true)
      expect(createPartitionRouter({ flow: 7 }).partitionFor(member)).toEqual(home)
    }
  })
})

describe('a router', () => {
  const router = createPartitionRouter({ flow: 16 })

  it('knows the counts and lists every partition once', () => {
    expect(router.countOf('flow')).toBe(16)
    expect(router.config).toEqual({ flow: 16, budget: 8, quota: 8 })
    expect(router.tagsOf('flow')).toHaveLength(16)
    expect(router.tagsOf('flow').at(-1)).toBe('{fp:15}')
    expect(new Set(router.tagsOf('quota')).size).toBe(8)
  })

  it('refuses index keys of a partition that no scanner visits', () => {
    expect(router.indexKeys(15).timers()).toBe('ff:idx:{fp:15}:timers')
    expect(() => router.indexKeys(16)).toThrowError(
      expect.objectContaining({ code: 'partition_out_of_range' }),
    )
    expect(() => router.indexKeys(-1)).toThrowError()
  })

  it('makes keys of any execution, since an id outlives a change of counts', () => {
    const id = parseExecutionId('{fp:200}:0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f')
    expect(router.executionKeys(id).core()).toContain('{fp:200}')
  })

  it('mints solo ids by its partitioner, and refuses one that leaves the counts', () => {
    const to3 = createPartitionRouter({ flow: 16 }, { partitionOf: () => 3 })
    expect(to3.mintSoloId({ namespace: 'n', lane: 'l' }).startsWith('{fp:3}:')).toBe(true)
    const wild = createPartitionRouter({ flow: 16 }, { partitionOf: () => 16 })
    try {
      wild.mintSoloId({ namespace: 'n', lane: 'l' })
      expect.unreachable()
    } catch (error) {
      expect(isEngineError(error, 'partition_out_of_range')).toBe(true)
    }
  })
})
