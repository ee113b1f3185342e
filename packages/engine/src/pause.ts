/** The pause after the n-th failure in a row (from 1): doubling from `initialMs` to `maxMs`, with jitter in its upper half. */
export function pauseAfter(
  failures: number,
  { initialMs, maxMs }: { readonly initialMs: number; readonly maxMs: number },
  random: () => number,
): number {
  const bounded = Math.min(initialMs * 2 ** Math.min(failures - 1, 30), maxMs)
  return bounded / 2 + random() * (bounded / 2)
}

/** An interval spread by ± a tenth, so that many loops never fall into step. */
export function jitter(intervalMs: number, random: () => number): number {
  return intervalMs * (0.9 + random() * 0.2)
}
