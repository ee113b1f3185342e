import type { UpstreamView } from '@flowfabric/sdk'
import type { Change, Measured } from './tasks/measure-files.js'

/** What the finaliser is handed; what failed or was skipped has no result. */
export interface Findings {
  readonly summary: UpstreamView<Measured>
  readonly digest: UpstreamView<{ readonly digest: string; readonly by: string }>
  readonly lines: UpstreamView<{
    readonly lines: number
    readonly agree: boolean
    readonly by: readonly string[]
  }>
  readonly weight: UpstreamView<{ readonly bytes: number; readonly attempts: number }>
  readonly comparison: UpstreamView<string>
  readonly fresh: UpstreamView<string>
}

const IMPORTS_SHOWN = 10

/** The census as a page, and in short. */
export function formatReport(findings: Findings): { readonly markdown: string; readonly text: string } {
  const rows = describe(findings)
  const width = Math.max(...rows.map(([name]) => name.length))
  const text = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join('\n')
  const imports = Object.entries(findings.summary.result?.imports ?? {})
    .sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? -1 : 1))
    .slice(0, IMPORTS_SHOWN)
  const markdown = [
    '# Census of the repository',
    '',
    '| | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${value.replaceAll('|', '\\|')} |`),
    '',
    '## Most imported',
    '',
    '| module | files |',
    '|---|--:|',
    ...imports.map(([name, count]) => `| ${name} | ${count} |`),
    '',
  ].join('\n')
  return { markdown, text }
}

function describe({
  summary,
  digest,
  lines,
  weight,
  comparison,
  fresh,
}: Findings): readonly (readonly [string, string])[] {
  const found = summary.result
  const longest = found?.longest
  const unknown = (view: UpstreamView<unknown>) => `unknown (${view.state})`
  return [
    ['files', found === null ? unknown(summary) : `${found.files}, ${found.textFiles} of them text`],
    ['lines', lines.satisfied ? describeLines(lines.result) : unknown(lines)],
    [
      'size',
      weight.satisfied
        ? `${weight.result.bytes} bytes (weighed at attempt ${weight.result.attempts})`
        : unknown(weight),
    ],
    [
      'longest line',
      longest == null ? 'none' : `${longest.path}:${longest.line}, ${longest.characters} characters`,
    ],
    ['imports', `${Object.keys(found?.imports ?? {}).length} modules`],
    ['last change', describeChange(found?.newest)],
    ['first change', describeChange(found?.oldest)],
    [
      'digest',
      digest.satisfied ? `${digest.result.digest} (by ${digest.result.by}, who won)` : unknown(digest),
    ],
    ['last year', comparison.result ?? fresh.result ?? 'unknown'],
  ]
}

function describeLines({
  lines,
  agree,
  by,
}: {
  readonly lines: number
  readonly agree: boolean
  readonly by: readonly string[]
}): string {
  return `${lines} (${by.join(' and ')} ${agree ? 'agree' : 'disagree'})`
}

function describeChange(change: Change | null | undefined): string {
  return change == null
    ? 'not committed yet'
    : `${change.path}, ${new Date(change.atSeconds * 1_000).toISOString()}`
}
