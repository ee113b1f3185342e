import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { defineTask, type } from '@flowfabric/sdk'
import { runGit } from '../git.js'
import { listTrackedFiles } from '../tracked-files.js'

/** How long the slow way rests after each file: long enough to lose. */
const REST_MS = 25

/** One way to the digest of the tree: git hashes all files in one go. */
export const digestWithGit = defineTask({
  kind: 'digest-with-git',
  input: type<{ readonly root: string }>(),
  async handler({ input: { root }, signal }) {
    const files = await listTrackedFiles(root, signal)
    const printed = await runGit(root, ['hash-object', '--no-filters', '--stdin-paths'], {
      signal,
      input: files.map((path) => `${join(root, path)}\n`).join(''),
    })
    return digestOf(files, printed.trim().split('\n'))
  },
})

/** The other way to the same digest: file by file, in JavaScript. It is told when it has lost, and stops. */
export const digestByHand = defineTask({
  kind: 'digest-by-hand',
  input: type<{ readonly root: string }>(),
  async handler({ input: { root }, signal, progress, sleep }) {
    const files = await listTrackedFiles(root, signal)
    const hashes: string[] = []
    for (const [index, path] of files.entries()) {
      const bytes = await readFile(join(root, path), { signal })
      hashes.push(createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'))
      progress(Math.round((100 * (index + 1)) / files.length), path)
      await sleep(REST_MS)
    }
    return digestOf(files, hashes)
  },
})

/** Takes the digest of whoever was first. */
export const takeDigest = defineTask({
  kind: 'digest',
  upstream: { git: digestWithGit, hand: digestByHand },
  handler({ upstream: { git, hand } }) {
    if (git.satisfied) return { digest: git.result, by: 'git' }
    if (hand.satisfied) return { digest: hand.result, by: 'hand' }
    throw new Error('nobody has won the race, and this should not run')
  },
})

function digestOf(files: readonly string[], hashes: readonly string[]): string {
  const digest = createHash('sha256')
  for (const [index, path] of files.entries()) digest.update(`${path}\0${hashes[index]}\n`)
  return digest.digest('hex')
}
