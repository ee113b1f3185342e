import type { Scanner, ScannerMetric } from '@flowfabric/core'
import { durationBucketsMs, type Meter } from './meter.js'

/** Records what scanners count, under the values that they named beforehand and no others. */
export interface ScannerMeter {
  count(scanner: Scanner, metric: ScannerMetric, value: string, by: number): void
  observe(scanner: Scanner, metric: ScannerMetric, value: string, amount: number): void
}

export function createScannerMeter(meter: Meter): ScannerMeter {
  return {
    count(scanner, metric, value, by) {
      if (!isListed(scanner, metric) || by === 0) return
      meter.counter(definitionOf(metric)).add(by, labelsOf(metric, value))
    },
    observe(scanner, metric, value, amount) {
      if (!isListed(scanner, metric)) return
      const histogram = meter.histogram({ ...definitionOf(metric), buckets: durationBucketsMs })
      histogram.observe(amount, labelsOf(metric, value))
    },
  }
}

function isListed(scanner: Scanner, metric: ScannerMetric): boolean {
  return scanner.metrics.includes(metric)
}

function definitionOf({ name, help, label }: ScannerMetric) {
  return { name, help, labels: [label] }
}

function labelsOf(metric: ScannerMetric, value: string) {
  return { [metric.label]: metric.values.includes(value) ? value : 'other' }
}
