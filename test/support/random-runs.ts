import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { isSoak } from './soak.js'

/** How often each operation was answered what, by its name. */
export type Tallies = Map<string, Map<string, number>>

export function tally(tallies: Tallies, operation: string, outcome: string, times = 1): void {
  const counts = tallies.get(operation) ?? new Map<string, number>()
  counts.set(outcome, (counts.get(outcome) ?? 0) + times)
  tallies.set(operation, counts)
}

/** The same as a report has them. */
export type PlainTallies = Readonly<Record<string, Readonly<Record<string, number>>>>

export function addTallies(tallies: Tallies, more: PlainTallies): void {
  for (const [operation, counts] of Object.entries(more))
    for (const [outcome, times] of Object.entries(counts)) tally(tallies, operation, outcome, times)
}

export const isReplay = process.env.FF_SEED !== undefined

/** `FF_SEED` replays a run, with `FF_PATH` only its counter-example; without it `npm test` always takes the same seed and a soak a new one. */
export function chooseSeed(): number {
  const given = process.env.FF_SEED
  if (given !== undefined) return Number(given)
  return isSoak ? Date.now() & 0x7fffffff : 20_260_101
}

interface RandomRunOptions<Input> {
  /** In `npm test`, however long they take: a busy machine must not be shown less. */
  readonly shortRuns: number
  /** At most, in a soak. */
  readonly soakRuns: number
  /** Longest time in a soak; `FF_SOAK_MINUTES` overrules it. */
  readonly soakMs: number
  readonly tallies: Tallies
  /** What the first run is given, in place of something drawn. */
  readonly first?: Input | undefined
}

/** Before a test's time is over, so that a counter-example that takes long to shrink is told as far as it came. */
const shortMs = 200_000

type Bounds = Pick<fc.Parameters, 'numRuns' | 'interruptAfterTimeLimit' | 'markInterruptAsFailure'>

function boundsOf({ shortRuns, soakRuns, soakMs }: RandomRunOptions<unknown>): Bounds {
  if (!isSoak) return { numRuns: shortRuns, interruptAfterTimeLimit: shortMs, markInterruptAsFailure: true }
  const minutes = process.env.FF_SOAK_MINUTES
  return {
    numRuns: soakRuns,
    interruptAfterTimeLimit: minutes === undefined ? soakMs : Number(minutes) * 60_000,
    markInterruptAsFailure: false,
  }
}

/**
 * Runs a property, prints its seed, writes what happened into the report, and throws the shrunk counter-example of a
 * failure with the command that replays it. Answers how many runs there were.
 */
export async function runRandomly<Input>(
  name: string,
  property: fc.IAsyncProperty<Input>,
  options: RandomRunOptions<Input>,
): Promise<number> {
  const seed = chooseSeed()
  const startedAt = performance.now()
  const path = process.env.FF_PATH
  const run = await fc.check(property, {
    ...boundsOf(options),
    seed,
    ...(options.first === undefined ? {} : { examples: [options.first] }),
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  })
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  const line = `${name}: ${run.numRuns} runs with seed ${seed} in ${seconds} s, ${run.failed ? 'a difference' : 'no difference'}`
  process.stdout.write(`${line}\n`)
  writeReport(name, {
    seed,
    runs: run.numRuns,
    seconds,
    failed: run.failed,
    operations: plain(options.tallies),
  })
  if (!run.failed) return run.numRuns
  const soak = isSoak ? 'FF_SOAK=1 ' : ''
  const replay = `${soak}FF_SEED=${seed} FF_PATH=${run.counterexamplePath} npx vitest run --project differential`
  throw new Error(`${line}\n${replay}\n${fc.defaultReportMessage(run) ?? ''}`, { cause: run.errorInstance })
}

export function plain(tallies: Tallies): PlainTallies {
  return Object.fromEntries(
    [...tallies].sort().map(([operation, counts]) => [operation, Object.fromEntries(counts)]),
  )
}

/** Reports are kept where `FF_REPORT_DIR` says; without it there is none. */
export function writeReport(name: string, report: object): void {
  const folder = process.env.FF_REPORT_DIR
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  const file = `${name.replaceAll(/[^a-z0-9]+/gi, '-')}.json`
  writeFileSync(join(folder, file), `${JSON.stringify({ name, ...report }, null, 2)}\n`)
}
