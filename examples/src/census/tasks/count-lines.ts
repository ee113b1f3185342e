import { defineTask, TerminalError, type } from '@flowfabric/sdk'
import { runGit } from '../git.js'
import { countLines, listTrackedFiles, readText } from '../tracked-files.js'

const input = type<{ readonly root: string }>()

/** What every counter must count right before it is believed. */
const SAMPLE = { text: 'one\ntwo\n\nfour', lines: 4 }

/** The first of three counters that know nothing of each other. */
export const countWithGit = defineTask({
  kind: 'count-with-git',
  input,
  async handler({ input: { root }, signal }) {
    // Each line of the output is `path:lines`; without a match git grep exits with 1.
    const counts = await runGit(root, ['grep', '-I', '-c', ''], {
      signal,
    }).catch(() => '')
    return counts
      .split('\n')
      .filter((line) => line !== '')
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(':') + 1)), 0)
  },
})

/** The second: reads the files itself. */
export const countByHand = defineTask({
  kind: 'count-by-hand',
  input,
  handler: ({ input: { root }, signal }) => countTree(root, countLines, signal),
})

/** The third is wrong on purpose: it counts empty lines not at all, and its own check finds that out. */
export const countBadly = defineTask({
  kind: 'count-badly',
  input,
  handler: ({ input: { root }, signal }) =>
    countTree(root, (text) => text.split('\n').filter((line) => line !== '').length, signal),
})

async function countTree(
  root: string,
  count: (text: string) => number,
  signal: AbortSignal,
): Promise<number> {
  const sample = count(SAMPLE.text)
  if (sample !== SAMPLE.lines) {
    throw new TerminalError(`counts ${sample} lines in a text of ${SAMPLE.lines}`, {
      category: 'wrong_counter',
    })
  }
  let lines = 0
  for (const path of await listTrackedFiles(root, signal)) lines += count((await readText(root, path)) ?? '')
  return lines
}

/** Two of the three must have counted; the flow lets it run as soon as they have. */
export const agreeOnLines = defineTask({
  kind: 'agree-on-lines',
  upstream: { git: countWithGit, hand: countByHand, bad: countBadly },
  handler({ upstream }) {
    const counters = Object.entries(upstream)
    const counted = counters.filter(([, view]) => view.satisfied)
    const [first] = counted
    return {
      lines: first?.[1].result ?? 0,
      agree: counted.every(([, view]) => view.result === first?.[1].result),
      by: counted.map(([name]) => name),
    }
  },
})
