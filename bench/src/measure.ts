import { setTimeout as pause } from 'node:timers/promises'

export interface Figure {
  readonly scenario: string
  readonly value: number
  readonly unit: string
  readonly note?: string | undefined
}

export const perSecond = (count: number, ms: number): number => Math.round((count / ms) * 1_000)

/** Runs `count` calls, `width` at a time, and answers how long that took. */
export async function inParallel(
  count: number,
  width: number,
  call: (index: number) => Promise<unknown>,
): Promise<number> {
  const startedAt = performance.now()
  let next = 0
  const lane = async () => {
    while (next < count) await call(next++)
  }
  await Promise.all(Array.from({ length: width }, lane))
  return performance.now() - startedAt
}

/** Answers when the look says so; the callers measure what they wait for in tens of ms at least. */
export async function waitFor(look: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await look())) await pause(2)
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
