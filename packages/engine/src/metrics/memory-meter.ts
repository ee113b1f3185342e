import type {
  Counter,
  Gauge,
  Histogram,
  HistogramDefinition,
  Labels,
  Meter,
  MetricDefinition,
} from './meter.js'

/** One time series as it stands. */
export interface MetricSample {
  readonly labels: Labels
  /** A counter's sum, a gauge's last value, a histogram's sum of what was observed. */
  readonly value: number
  /** Histograms only: how many were observed, and for each bucket how many were not above its bound. */
  readonly count?: number
  readonly buckets?: readonly { readonly le: number; readonly count: number }[]
}

export interface MetricFamily {
  readonly name: string
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly samples: readonly MetricSample[]
}

/** A meter that keeps its numbers in memory, to be read by whoever exposes them. */
export interface MemoryMeter extends Meter {
  /** Everything measured so far, sorted by name. */
  collect(): readonly MetricFamily[]
  /** The value of one time series, 0 when nothing was measured under it. */
  read(name: string, labels?: Labels): number
}

export function createMemoryMeter(): MemoryMeter {
  const families = new Map<string, Family>()

  function familyOf(kind: MetricFamily['kind'], definition: MetricDefinition | HistogramDefinition): Family {
    const known = families.get(definition.name)
    if (known !== undefined) return known
    const buckets = 'buckets' in definition ? definition.buckets : []
    const family: Family = { kind, definition, buckets, series: new Map() }
    families.set(definition.name, family)
    return family
  }

  return {
    counter(definition): Counter {
      const family = familyOf('counter', definition)
      return {
        add(by, labels = {}) {
          seriesOf(family, labels).value += by
        },
      }
    },
    gauge(definition): Gauge {
      const family = familyOf('gauge', definition)
      return {
        set(value, labels = {}) {
          seriesOf(family, labels).value = value
        },
      }
    },
    histogram(definition): Histogram {
      const family = familyOf('histogram', definition)
      return {
        observe(value, labels = {}) {
          const series = seriesOf(family, labels)
          series.value += value
          series.count += 1
          family.buckets.forEach((bound, index) => {
            if (value <= bound) series.bucketCounts[index] = (series.bucketCounts[index] ?? 0) + 1
          })
        },
      }
    },
    collect: () =>
      [...families.values()].map(readFamily).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)),
    read(name, labels = {}) {
      return families.get(name)?.series.get(keyOf(labels))?.value ?? 0
    },
  }
}

interface Family {
  readonly kind: MetricFamily['kind']
  readonly definition: MetricDefinition
  readonly buckets: readonly number[]
  readonly series: Map<string, Series>
}

interface Series {
  readonly labels: Labels
  value: number
  count: number
  readonly bucketCounts: number[]
}

function seriesOf(family: Family, labels: Labels): Series {
  const key = keyOf(labels)
  const known = family.series.get(key)
  if (known !== undefined) return known
  const series: Series = { labels, value: 0, count: 0, bucketCounts: family.buckets.map(() => 0) }
  family.series.set(key, series)
  return series
}

function keyOf(labels: Labels): string {
  let key = ''
  for (const name of Object.keys(labels).sort()) key += `${name}=${labels[name]},`
  return key
}

function readFamily(family: Family): MetricFamily {
  const samples = [...family.series.values()].map((series) => {
    if (family.kind !== 'histogram') return { labels: series.labels, value: series.value }
    const buckets = family.buckets.map((le, index) => ({ le, count: series.bucketCounts[index] ?? 0 }))
    return { labels: series.labels, value: series.value, count: series.count, buckets }
  })
  return { name: family.definition.name, kind: family.kind, help: family.definition.help, samples }
}
