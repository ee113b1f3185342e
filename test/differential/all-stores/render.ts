import type { SettingReport } from './report.js'

/** The reports of all settings as a page that can be published. */
export function renderReports(reports: readonly SettingReport[]): string {
  const [first] = reports
  if (first === undefined) return ''
  return [
    '# Equivalence of the stores',
    '',
    'One random sequence of calls is sent to the reference model and to every store at once, with the same ids and on',
    'the same virtual clock. After each call the answers of all are compared, and the canonical picture of what the',
    'call touched; after every hundredth and at the end the picture of everything, the events since the last time, and',
    'that no index lacks or keeps a record. A difference ends the run.',
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
    ...reports.flatMap(renderSetting),
  ].join('\n')
}

function renderSetting({ setting, seeds, seconds, versions, calls }: SettingReport): string[] {
  const sum = (read: (seed: (typeof seeds)[number]) => number) =>
    seeds.reduce((total, seed) => total + read(seed), 0)
  const differences = seeds.filter(({ failed }) => failed).length
  const stores = Object.keys(versions.stores).filter((store) => store !== 'model')
  const counted = Object.entries(calls)
  return [
    '',
    `## Setting: ${setting}`,
    '',
    `${seeds.length} seeds, ${sum(({ answers }) => answers)} operations, ${seconds} s, ${differences} differences.`,
    '',
    ...table(
      ['store', 'answers equal to the model’s', 'pictures of what was touched', 'pictures of everything'],
      stores.map((store) => [
        store,
        sum(({ answers }) => answers),
        sum(({ parts }) => parts),
        sum(({ wholes }) => wholes),
      ]),
    ),
    '',
    ...table(
      ['seed', 'operations', 's', 'outcome'],
      seeds.map(({ seed, answers, seconds: took, failed }) => [
        seed,
        answers,
        took,
        failed ? 'a difference' : 'no difference',
      ]),
    ),
    '',
    'Outcomes of each operation; of a batch each item’s.',
    '',
    ...table(
      ['operation', 'accepted', 'refused'],
      counted.map(([operation, { accepted, refused }]) => [operation, accepted, refused]),
    ),
  ]
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
