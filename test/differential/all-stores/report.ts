import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type PlainTallies, plain, type Tallies } from '../../support/random-runs.js'
import { isSoak } from '../../support/soak.js'
import { missingAnswers } from '../both-ways.js'
import type { Compared } from './play.js'
import { renderReports } from './render.js'
import type { Versions } from './versions.js'

/** What one seed came to, as its file says it: in the words of other random runs, and in its own. */
export interface SeedReport extends Compared {
  readonly name: string
  readonly setting: string
  readonly seed: number
  readonly runs: 1
  readonly seconds: number
  readonly failed: boolean
  readonly versions: Versions
  readonly operations: PlainTallies
}

export interface Report {
  begin(seed: number, versions: Versions): void
  end(compared: Compared, tallies: Tallies, error?: unknown): void
  /** The error with how to replay it. */
  explain(seed: number, error: unknown): Error
  /** `FF_SOAK_MINUTES` are over: no other seed is begun. */
  isOverTime(): boolean
}

export function createReport(setting: string): Report {
  const name = `model and all stores at once, ${setting}`
  const startedAt = performance.now()
  let seedsEnded = 0
  let current: { readonly seed: number; readonly versions: Versions; readonly at: number } | undefined

  return {
    begin(seed, versions) {
      current = { seed, versions, at: performance.now() }
    },
    end(compared, tallies, error) {
      if (current === undefined) return
      const { seed, versions, at } = current
      current = undefined
      seedsEnded += 1
      const seconds = secondsSince(at)
      const failed = error !== undefined
      const outcome = failed ? 'a difference' : 'no difference'
      process.stdout.write(`${name}: seed ${seed}, ${compared.answers} calls in ${seconds} s, ${outcome}\n`)
      const missing = missingAnswers(tallies)
      if (isSoak && missing.length > 0)
        process.stdout.write(`  what this seed did not reach: ${missing.join(', ')}\n`)
      const operations = plain(tallies)
      writeFiles({ name, setting, seed, runs: 1, seconds, failed, versions, ...compared, operations })
    },
    explain(seed, error) {
      const command = `${isSoak ? 'FF_SOAK=1 ' : ''}FF_SEED=${seed} npx vitest run --project differential all-stores`
      return new Error(`${name}, seed ${seed}\n${command}\n${String(error)}`, { cause: error })
    },
    isOverTime() {
      const minutes = process.env.FF_SOAK_MINUTES
      return minutes !== undefined && seedsEnded > 0 && secondsSince(startedAt) > Number(minutes) * 60
    },
  }
}

const secondsSince = (at: number) => Math.round((performance.now() - at) / 1_000)

const fileStart = 'equivalence-'

/**
 * One file for each seed, and a page of all that the folder has, so that seeds may be played one by one. Nothing where
 * `FF_REPORT_DIR` names no folder.
 */
function writeFiles(report: SeedReport): void {
  const folder = process.env.FF_REPORT_DIR
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  const file = `${fileStart}${report.setting.replaceAll(/[^a-z0-9]+/gi, '-')}-${report.seed}.json`
  writeFileSync(join(folder, file), `${JSON.stringify(report, null, 2)}\n`)
  const files = readdirSync(folder).filter((name) => name.startsWith(fileStart) && name.endsWith('.json'))
  const reports = files.sort().map((name): SeedReport => JSON.parse(readFileSync(join(folder, name), 'utf8')))
  writeFileSync(join(folder, 'equivalence.md'), renderReports(reports))
}
