import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defineTask, type } from '@flowfabric/sdk'
import { formatReport } from '../report.js'
import { agreeOnLines } from './count-lines.js'
import { takeDigest } from './digest.js'
import { compare, startAfresh } from './last-census.js'
import { summarise } from './summarise.js'
import { weigh } from './weigh.js'

/**
 * The finaliser: runs once everything has ended, whatever became of it, writes `census.md` and answers a short report.
 * Running it again writes the same file.
 */
export const writeReport = defineTask({
  kind: 'write-report',
  input: type<{ readonly root: string }>(),
  upstream: {
    summary: summarise,
    digest: takeDigest,
    lines: agreeOnLines,
    weight: weigh,
    comparison: compare,
    fresh: startAfresh,
  },
  async handler({ input: { root }, upstream, execution }) {
    const report = formatReport(upstream)
    const path = join(root, 'census.md')
    // By way of another name, so that a process that is killed here leaves no half of a file.
    const draft = `${path}.${execution.id.replaceAll(/[^a-z0-9]/g, '')}`
    await writeFile(draft, report.markdown)
    await rename(draft, path)
    return { path, text: report.text }
  },
})
