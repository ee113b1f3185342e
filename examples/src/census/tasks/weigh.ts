import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { defineTask, type } from '@flowfabric/sdk'
import { listTrackedFiles } from '../tracked-files.js'

/** Adds up the files' sizes, at the third attempt: the first two fail on purpose, to show what becomes of that. */
export const weigh = defineTask({
  kind: 'weigh',
  input: type<{ readonly root: string }>(),
  // More than three attempts, since a killed process may have used some of them.
  retry: { maxAttempts: 10, backoff: { kind: 'fixed', initialMs: 600, maxMs: 600, jitter: false } },
  async handler({ input: { root }, attempt, signal }) {
    if (attempt.index < 2)
      throw new Error(`the scales are not ready (attempt ${attempt.index + 1} fails on purpose)`)
    const files = await listTrackedFiles(root, signal)
    const sizes = await Promise.all(files.map(async (path) => (await stat(join(root, path))).size))
    return { bytes: sizes.reduce((sum, size) => sum + size, 0), attempts: attempt.index + 1 }
  },
})
