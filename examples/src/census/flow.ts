import { allOf, anyOf, defineFlow, quorum } from '@flowfabric/sdk'
import { agreeOnLines, countBadly, countByHand, countWithGit } from './tasks/count-lines.js'
import { digestByHand, digestWithGit, takeDigest } from './tasks/digest.js'
import { compare, readLastCensus, startAfresh } from './tasks/last-census.js'
import { listFiles } from './tasks/list-files.js'
import { measureFiles } from './tasks/measure-files.js'
import { summarise } from './tasks/summarise.js'
import { weigh } from './tasks/weigh.js'
import { writeReport } from './tasks/write-report.js'

/** Everything that a worker of the census can do. */
export const tasks = [
  listFiles,
  measureFiles,
  summarise,
  digestWithGit,
  digestByHand,
  takeDigest,
  countWithGit,
  countByHand,
  countBadly,
  agreeOnLines,
  weigh,
  readLastCensus,
  compare,
  startAfresh,
  writeReport,
]

/** The census of a source tree. */
export const census = defineFlow('census', (f, input: { readonly root: string }) => {
  // A map of computed width: the listing adds the nodes, and the summary waits for them.
  const summary = f.after(f.node(listFiles, input)).openNode(summarise)

  // A race. The winner's result goes on, the loser is cancelled.
  const git = f.node(digestWithGit, input)
  const hand = f.node(digestByHand, input)
  const digest = f.after(anyOf({ git, hand })).node(takeDigest)

  // Two of three counters are enough, and one of the three is wrong.
  const counters = {
    git: f.node(countWithGit, input),
    hand: f.node(countByHand, input),
    bad: f.node(countBadly, input),
  }
  const lines = f.after(quorum(2, counters, { letRun: true })).node(agreeOnLines)

  // Fails twice on purpose.
  const weight = f.node(weigh, input)

  // A branch that becomes impossible, and what runs instead of it.
  const last = f.node(readLastCensus, input)
  const comparison = f.after(allOf({ last })).node(compare)
  const fresh = f.onFailure(last).node(startAfresh)

  const report = f
    .finally(allOf({ summary, digest, lines, weight, comparison, fresh }))
    .node(writeReport, input)
  return { report }
})
