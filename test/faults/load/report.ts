import { createRandom, type Random } from '../../model/random.js'
import { chooseSeed, writeReport } from '../../support/random-runs.js'
import type { Losses } from './judge.js'
import type { Facts, Ledger } from './ledger.js'

/** A source of chances whose seed is printed; `FF_SEED` gives it again, though not the servers' timing. */
export function openChances(name: string): { readonly random: Random; readonly seed: number } {
  const seed = chooseSeed()
  process.stdout.write(`${name}: seed ${seed}\n`)
  return { random: createRandom(seed), seed }
}

export interface Outcome {
  readonly name: string
  readonly seed: number
  readonly ledger: Ledger
  readonly losses?: Losses | undefined
  /** From when a server could answer again to the end of something that was accepted later, each time. */
  readonly recoveriesMs?: readonly number[] | undefined
  readonly more?: Readonly<Record<string, number>> | undefined
}

/** What is counted of what was acknowledged, where there is any. */
const counted: Readonly<Partial<Record<keyof Facts, string>>> = {
  flowCancel: 'flowCancels',
  signal: 'signals',
  resumed: 'resumptions',
  step: 'steps',
  frame: 'frames',
  patch: 'patches',
  usage: 'usageReports',
  operation: 'operations',
  held: 'holds',
  priority: 'priorities',
}

/** One line for people, and a file where long runs leave theirs. */
export function reportOutcome({ name, seed, ledger, losses, recoveriesMs = [], more = {} }: Outcome): void {
  const facts = Object.entries(counted).map(([fact, called]) => [
    called,
    ledger.all(fact as keyof Facts).length,
  ])
  const units = ledger.all('usage').reduce((sum, { tokens }) => sum + tokens, 0)
  const figures = {
    seed,
    ...more,
    executions: ledger.executions.size,
    flows: ledger.flows.size,
    ends: ledger.ends.size,
    ...Object.fromEntries(facts.filter(([, count]) => count !== 0)),
    ...(units > 0 && { units }),
    ...(losses !== undefined && { lost: losses.lost, oldestLossMs: Math.round(losses.oldestMs) }),
    ...(recoveriesMs.length > 0 && {
      recoveryMedianMs: median(recoveriesMs),
      recoveryMaxMs: Math.round(Math.max(...recoveriesMs)),
    }),
  }
  const text = Object.entries(figures).map(
    ([figure, value]) => `${figure} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  )
  process.stdout.write(`${name}: ${text.join(', ')}\n`)
  writeReport(name, figures)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return Math.round(((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2)
}
