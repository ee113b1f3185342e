import { describe, expect, it } from 'vitest'
import { limits } from './limits.js'

describe('limits', () => {
  it.each(Object.entries(limits))('%s is a whole positive number', (_, limit) => {
    expect(Number.isSafeInteger(limit)).toBe(true)
    expect(limit).toBeGreaterThan(0)
  })

  it('hold together', () => {
    expect(limits.hopMaxEdges).toBeLessThanOrEqual(limits.callMaxEdges)
    expect(limits.pageSizeDefault).toBeLessThanOrEqual(limits.pageSizeMax)
    expect(limits.leaseTtlMsMin).toBeLessThanOrEqual(limits.leaseTtlMsDefault)
    expect(limits.leaseTtlMsDefault).toBeLessThanOrEqual(limits.leaseTtlMsMax)
    expect(limits.payloadBytesMax).toBeLessThan(limits.bodyBytesMax)
    expect(limits.routesPerClaimMax).toBeLessThanOrEqual(limits.routesPerLaneMax)
  })
})
