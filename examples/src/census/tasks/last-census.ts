import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defineTask, TerminalError, type } from '@flowfabric/sdk'

/** Nobody writes this file, so that the branch behind it becomes impossible. */
const FILE = 'census-of-last-year.md'

export const readLastCensus = defineTask({
  kind: 'read-last-census',
  input: type<{ readonly root: string }>(),
  async handler({ input: { root } }) {
    try {
      return await readFile(join(root, FILE), 'utf8')
    } catch (cause) {
      throw new TerminalError(`there is no ${FILE}`, { category: 'no_last_census', cause })
    }
  },
})

/** Would compare with last year. It is skipped when there is nothing to compare with. */
export const compare = defineTask({
  kind: 'compare',
  upstream: { last: readLastCensus },
  handler: ({ resultOf }) => `last year’s census had ${resultOf('last').length} characters`,
})

/** The fallback of that: runs because the comparison is impossible, and would be skipped if it were not. */
export const startAfresh = defineTask({
  kind: 'start-afresh',
  handler: () => 'there is no census of last year to compare with: this is the first one',
})
