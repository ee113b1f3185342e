import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plain, type Tallies } from '../../support/random-runs.js'
import { isSoak } from '../../support/soak.js'
import { splitTally } from '../differences.js'
import type { Compared } from './play.js'
import { renderReports } from './render.js'
import type { Versions } from './versions.js'

export interface SeedReport extends Compared {
  readonly seed: number
  readonly seconds: number
  readonly failed: boolean
}

/** What one setting came to, as its file says it. */
export interface SettingReport {
  readonly name: string
  readonly setting: string
  readonly seeds: readonly SeedReport[]
  /** Of the first seed, and in all: as other random runs report them. */
  readonly seed: number
  readonly runs: number
  readonly seconds: number
  readonly failed: boolean
  readonly versions: Versions
  readonly operations: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly calls: Readonly<Record<string, { readonly accepted: number; readonly refused: number }>>
}

export interface Report {
  begin(seed: number, versions: Versions): void
  end(compared: Compared, error?: unknown): void
  /** The error with how to replay it. */
  explain(seed: number, error: unknown): Error
  /** `FF_SOAK_MINUTES` are over: no other seed is begun. */
  isOverTime(): boolean
}

export function createReport(setting: string, tallies: Tallies): Report {
  const name = `model and all stores at once, ${setting}`
  const startedAt = performance.now()
  const seeds: SeedReport[] = []
  let current: { readonly seed: number; readonly versions: Versions; readonly at: number } | undefined

  const write = (versions: Versions) => {
    const calls = [...tallies].sort().map(([operation, counts]) => [operation, splitTally(counts)] as const)
    const report: SettingReport = {
      name,
      setting,
      seeds,
      seed: seeds[0]?.seed ?? 0,
      runs: seeds.length,
      seconds: secondsSince(startedAt),
      failed: seeds.some(({ failed }) => failed),
      versions,
      operations: plain(tallies),
      calls: Object.fromEntries(calls),
    }
    writeFiles(report)
  }

  return {
    begin(seed, versions) {
      current = { seed, versions, at: performance.now() }
    },
    end(compared, error) {
      if (current === undefined) return
      const { seed, versions, at } = current
      current = undefined
      const failed = error !== undefined
      seeds.push({ seed, seconds: secondsSince(at), failed, ...compared })
      const outcome = failed ? 'a difference' : 'no difference'
      process.stdout.write(
        `${name}: seed ${seed}, ${compared.answers} calls in ${secondsSince(at)} s, ${outcome}\n`,
      )
      write(versions)
    },
    explain(seed, error) {
      const command = `${isSoak ? 'FF_SOAK=1 ' : ''}FF_SEED=${seed} npx vitest run --project differential all-stores`
      return new Error(`${name}, seed ${seed}\n${command}\n${String(error)}`, { cause: error })
    },
    isOverTime() {
      const minutes = process.env.FF_SOAK_MINUTES
      return minutes !== undefined && seeds.length > 0 && secondsSince(startedAt) > Number(minutes) * 60
    },
  }
}

const secondsSince = (at: number) => Math.round((performance.now() - at) / 1_000)

const fileStart = 'equivalence-'

/** One file for each setting, and one to be read that holds all. Nothing where `FF_REPORT_DIR` names no folder. */
function writeFiles(report: SettingReport): void {
  const folder = process.env.FF_REPORT_DIR
  if (folder === undefined) return
  mkdirSync(folder, { recursive: true })
  const file = `${fileStart}${report.setting.replaceAll(/[^a-z0-9]+/gi, '-')}.json`
  writeFileSync(join(folder, file), `${JSON.stringify(report, null, 2)}\n`)
  const files = readdirSync(folder).filter((name) => name.startsWith(fileStart) && name.endsWith('.json'))
  const reports = files
    .sort()
    .map((name): SettingReport => JSON.parse(readFileSync(join(folder, name), 'utf8')))
  writeFileSync(join(folder, 'equivalence.md'), renderReports(reports))
}
