import { addTallies, type Tallies } from '../../support/random-runs.js'
import { missingAnswers } from '../both-ways.js'
import { splitTally } from '../differences.js'
import type { SeedReport } from './report.js'

/** The reports of all seeds as a page that can be published. */
export function renderReports(reports: readonly SeedReport[]): string {
  const [first] = reports
  if (first === undefined) return ''
  const settings = [...new Set(reports.map(({ setting }) => setting))]
  return [
    '# Equivalence of the stores',
    '',
    'One random sequence of calls is sent to the reference model and to every store at once, with the same ids and on',
    'the same virtual clock. After each call the answers of all are compared, and the canonical picture of what the',
    'call touched; after every hundredth and at the end the picture of everything, the events since the last time, and',
    'that no index lacks or keeps a record. A difference ends the run.',
    '',
    inAll(reports),
    '',
    '## Versions',
    '',
    ...table(
      ['what', 'version'],
      [
        ['Node', first.versions.node],
        ...Object.entries(first.versions.stores),
        ...Object.entries(first.versions.packages),
      ],
    ),
    ...settings.flatMap((setting) => renderSetting(reports.filter((seed) => seed.setting === setting))),
    ...renderOperations(reports),
    '',
  ].join('\n')
}

type Counts = Pick<SeedReport, 'answers' | 'parts' | 'wholes' | 'seconds'>

const sumOf = (seeds: readonly SeedReport[], count: keyof Counts) =>
  seeds.reduce((sum, seed) => sum + seed[count], 0)

function inAll(seeds: readonly SeedReport[]): string {
  const differences = seeds.filter(({ failed }) => failed).length
  return `${seeds.length} seeds, ${sumOf(seeds, 'answers')} operations, ${sumOf(seeds, 'seconds')} s, ${differences} differences.`
}

function renderSetting(seeds: readonly SeedReport[]): string[] {
  const stores = Object.keys(seeds[0]?.versions.stores ?? {}).filter((store) => store !== 'model')
  const counts = ['answers', 'parts', 'wholes'] as const
  return [
    '',
    `## Setting: ${seeds[0]?.setting}`,
    '',
    inAll(seeds),
    '',
    ...table(
      ['store', 'answers equal to the model’s', 'pictures of what was touched', 'pictures of everything'],
      stores.map((store) => [store, ...counts.map((count) => sumOf(seeds, count))]),
    ),
    '',
    ...table(
      ['seed', 'operations', 's', 'outcome'],
      seeds.map(({ seed, answers, seconds, failed }) => [
        seed,
        answers,
        seconds,
        failed ? 'a difference' : 'no difference',
      ]),
    ),
  ]
}

function renderOperations(seeds: readonly SeedReport[]): string[] {
  const tallies: Tallies = new Map()
  for (const { operations } of seeds) addTallies(tallies, operations)
  const missing = missingAnswers(tallies)
  return [
    '',
    '## Operations',
    '',
    `Outcomes of each in all seeds together; of a batch each item’s. What none of them reached: ${missing.join(', ') || 'nothing'}.`,
    '',
    ...table(
      ['operation', 'accepted', 'refused'],
      [...tallies].sort().map(([operation, counts]) => {
        const { accepted, refused } = splitTally(counts)
        return [operation, accepted, refused]
      }),
    ),
  ]
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
