import type { PulseScanner, ScannerMetric } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { createMemoryMeter } from './memory-meter.js'
import { createScannerMeter } from './scanner-metrics.js'

const found: ScannerMetric = {
  name: 'found_total',
  kind: 'counter',
  help: 'What was found.',
  label: 'finding',
  values: ['edge', 'group'],
}

const scanner: PulseScanner = {
  name: 'a_scanner',
  scope: 'pulse',
  appliesFilter: false,
  metrics: [found],
  readPulse: () => ({ processed: 0, errors: 0 }),
}

describe('what scanners count', () => {
  it('an unknown value never becomes a label, and a metric that isn’t listed is not counted', () => {
    const meter = createMemoryMeter()
    const scannerMeter = createScannerMeter(meter)
    scannerMeter.count(scanner, found, 'edge', 2)
    scannerMeter.count(scanner, found, 'text from a record', 1)
    scannerMeter.count(scanner, found, 'more text', 1)
    scannerMeter.count(scanner, { ...found, name: 'unlisted_total' }, 'edge', 1)
    expect(meter.read('found_total', { finding: 'edge' })).toBe(2)
    expect(meter.read('found_total', { finding: 'other' })).toBe(2)
    expect(meter.collect().map(({ name, samples }) => [name, samples.length])).toEqual([['found_total', 2]])
  })
})

describe('the memory meter', () => {
  it('answers the same instrument to the same name', () => {
    const meter = createMemoryMeter()
    const definition = { name: 'x_total', help: 'X.', labels: ['a', 'b'] }
    meter.counter(definition).add(1, { a: '1', b: '2' })
    meter.counter(definition).add(2, { b: '2', a: '1' })
    expect(meter.read('x_total', { a: '1', b: '2' })).toBe(3)
  })

  it('keeps a gauge’s last value, and a histogram’s sum, count and buckets', () => {
    const meter = createMemoryMeter()
    const gauge = meter.gauge({ name: 'depth', help: 'Depth.', labels: [] })
    gauge.set(5)
    gauge.set(3)
    const histogram = meter.histogram({ name: 'took_ms', help: 'Took.', labels: [], buckets: [1, 10] })
    for (const value of [0.5, 1, 7, 50]) histogram.observe(value)
    expect(meter.collect()).toMatchObject([
      { name: 'depth', kind: 'gauge', samples: [{ value: 3 }] },
      {
        name: 'took_ms',
        kind: 'histogram',
        samples: [
          {
            value: 58.5,
            count: 4,
            buckets: [
              { le: 1, count: 2 },
              { le: 10, count: 3 },
            ],
          },
        ],
      },
    ])
  })
})
