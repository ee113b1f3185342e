import type { Labels, Meter } from '@flowfabric/engine'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const PREFIX = 'flowfabric_'

/** The engine's meter as Prometheus metrics, each name with the prefix `flowfabric_`. */
export function createPrometheusMeter(registry: Registry): Meter {
  const known = new Map<string, unknown>()
  // Who asks twice for one metric gets the same one.
  const once = <Metric>(name: string, make: () => Metric): Metric => {
    const metric = (known.get(name) as Metric | undefined) ?? make()
    known.set(name, metric)
    return metric
  }
  return {
    counter: ({ name, help, labels }) => {
      const counter = once(
        name,
        () => new Counter({ name: PREFIX + name, help, labelNames: labels, registers: [registry] }),
      )
      return { add: (by: number, values: Labels = {}) => counter.inc(values, by) }
    },
    gauge: ({ name, help, labels }) => {
      const gauge = once(
        name,
        () => new Gauge({ name: PREFIX + name, help, labelNames: labels, registers: [registry] }),
      )
      return { set: (value: number, values: Labels = {}) => gauge.set(values, value) }
    },
    histogram: ({ name, help, labels, buckets }) => {
      const histogram = once(
        name,
        () =>
          new Histogram({
            name: PREFIX + name,
            help,
            labelNames: labels,
            buckets: [...buckets],
            registers: [registry],
          }),
      )
      return { observe: (value: number, values: Labels = {}) => histogram.observe(values, value) }
    },
  }
}
