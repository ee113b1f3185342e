import { expect } from 'vitest'
import type { Tallies } from '../support/random-runs.js'
import { splitTally } from './differences.js'
import { operations } from './operations/index.js'

/** The clock of a test store is moved, never refused, and who asks for all signing keys or engines states nothing. */
const neverRefused = new Set(['maintenance.advanceTime', 'keyring.list', 'engines.list'])

export function expectEveryOperation(tallies: Tallies): void {
  expect(Object.keys(operations).filter((operation) => !tallies.has(operation))).toEqual([])
}

/** A long run reaches both answers of everything. */
export function expectEveryOperationBothWays(tallies: Tallies): void {
  expect(missingAnswers(tallies)).toEqual([])
}

/** What was never accepted, and what was never refused. */
export function missingAnswers(tallies: Tallies): readonly string[] {
  return Object.keys(operations).flatMap((operation) => {
    const { accepted, refused } = splitTally(tallies.get(operation))
    return [
      ...(accepted === 0 ? [`${operation} accepted`] : []),
      ...(refused === 0 && !neverRefused.has(operation) ? [`${operation} refused`] : []),
    ]
  })
}
