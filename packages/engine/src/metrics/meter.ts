/**
 * Where numbers go. The interface is small enough to put Prometheus, OpenTelemetry or a test behind it, and the engine
 * depends on none of them. Labels are bounded by construction: every label that is used names its values beforehand.
 * Asking again for a name answers the same instrument: a scanner and the engine may count under one name.
 */
export interface Meter {
  counter(definition: MetricDefinition): Counter
  gauge(definition: MetricDefinition): Gauge
  histogram(definition: HistogramDefinition): Histogram
}

export interface MetricDefinition {
  /** snake_case with its unit last, such as `pass_duration_ms` or `dispatch_total`. */
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

export interface HistogramDefinition extends MetricDefinition {
  /** Upper bounds of the buckets, ascending. */
  readonly buckets: readonly number[]
}

export type Labels = Readonly<Record<string, string>>

export interface Counter {
  add(by: number, labels?: Labels): void
}

export interface Gauge {
  set(value: number, labels?: Labels): void
}

export interface Histogram {
  observe(value: number, labels?: Labels): void
}

/** Durations from a fraction of a ms to a minute. */
export const durationBucketsMs = [
  0.5, 1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000,
] as const
