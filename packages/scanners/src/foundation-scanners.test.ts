import { readdirSync } from 'node:fs'
import { type EngineError, pendingWorks } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { foundationScanners } from './foundation-scanners.js'

function codeOf(act: () => unknown): string | undefined {
  try {
    act()
  } catch (error) {
    return (error as EngineError).code
  }
  return undefined
}

describe('the foundation’s scanners', () => {
  const scanners = foundationScanners()

  it('are one file each, none forgotten', () => {
    const notScanners = ['index', 'foundation-scanners', 'scan-report', 'webhook-sends']
    const files = readdirSync(import.meta.dirname)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .map((file) => file.slice(0, -'.ts'.length))
      .filter((file) => !notScanners.includes(file))
    expect(files.map((file) => file.replaceAll('-', '_')).sort()).toEqual(
      scanners.map(({ name }) => name).sort(),
    )
  })

  it('leave no kind of pending work without a scanner that wakes on it', () => {
    const woken = new Set(
      scanners.flatMap((scanner) => (scanner.scope === 'partition' ? scanner.wakesOn : [])),
    )
    expect(pendingWorks.filter((work) => !woken.has(work))).toEqual([])
  })

  it('name every label value beforehand, and no metric twice with other values', () => {
    const known = new Map<string, string>()
    for (const metric of scanners.flatMap(({ metrics }) => metrics)) {
      expect(metric.values.length).toBeGreaterThan(0)
      const shape = JSON.stringify([metric.kind, metric.label, metric.values])
      expect(known.get(metric.name) ?? shape).toBe(shape)
      known.set(metric.name, shape)
    }
  })

  it('refuse an edge-cancel reconciler that runs more often than its dispatcher', () => {
    const intervals = (dispatcherMs: number, reconcilerMs: number) => () =>
      foundationScanners({
        edgeCancelDispatcher: { intervalMs: dispatcherMs },
        edgeCancelReconciler: { intervalMs: reconcilerMs },
      })
    expect(codeOf(intervals(2_000, 1_999))).toBe('invalid_configuration')
    expect(codeOf(intervals(2_000, 2_000))).toBeUndefined()
    expect(codeOf(() => foundationScanners({ edgeCancelReconciler: { intervalMs: 500 } }))).toBe(
      'invalid_configuration',
    )
  })

  it.each([0, -1, 1.5, Number.NaN, 86_400_001])('refuse the setting %d', (max) => {
    expect(codeOf(() => foundationScanners({ timers: { max } }))).toBe('invalid_configuration')
  })
})
