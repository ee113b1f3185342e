import { defineTask, type } from '@flowfabric/sdk'
import { runGit } from '../git.js'
import { countLines, readText } from '../tracked-files.js'
import { paceMs } from './pace.js'

/** Some of the files of a tree. */
export interface Chunk {
  readonly root: string
  readonly files: readonly string[]
}

/** What a chunk of files comes to. */
export interface Measured {
  readonly files: number
  readonly textFiles: number
  readonly lines: number
  readonly longest: LongestLine | null
  /** How often each module is imported. */
  readonly imports: Readonly<Record<string, number>>
  readonly newest: Change | null
  readonly oldest: Change | null
}

export interface LongestLine {
  readonly path: string
  readonly line: number
  readonly characters: number
}

export interface Change {
  readonly path: string
  /** Seconds since the epoch, as git counts. */
  readonly atSeconds: number
}

/** Counts lines, finds the longest one and the imports, and asks git for the last changes. It only reads. */
export const measureFiles = defineTask({
  kind: 'measure',
  input: type<Chunk>(),
  timeouts: { attemptTimeoutMs: 60_000 },
  async handler({ input: { root, files }, progress, sleep, signal }): Promise<Measured> {
    const began = Date.now()
    const texts: { readonly path: string; readonly text: string }[] = []
    for (const [index, path] of files.entries()) {
      const text = await readText(root, path)
      if (text !== undefined) texts.push({ path, text })
      progress(Math.round((100 * (index + 1)) / files.length), path)
    }
    const changes = await readLastChanges(root, files, signal)
    await sleep(Math.max(0, paceMs - (Date.now() - began)))
    return {
      files: files.length,
      textFiles: texts.length,
      lines: texts.reduce((sum, { text }) => sum + countLines(text), 0),
      longest: findLongest(texts),
      imports: countImports(texts),
      newest: changes[0] ?? null,
      oldest: changes.at(-1) ?? null,
    }
  },
})

function findLongest(texts: readonly { readonly path: string; readonly text: string }[]): LongestLine | null {
  let longest: LongestLine | null = null
  for (const { path, text } of texts) {
    for (const [index, line] of text.split('\n').entries()) {
      if (line.length > (longest?.characters ?? 0))
        longest = { path, line: index + 1, characters: line.length }
    }
  }
  return longest
}

const IMPORT_PATTERN =
  /^\s*(?:import|export)\b[^'"\n]*?from\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]/gm

function countImports(
  texts: readonly { readonly path: string; readonly text: string }[],
): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { path, text } of texts) {
    if (!/\.[cm]?[jt]sx?$/.test(path)) continue
    for (const match of text.matchAll(IMPORT_PATTERN)) {
      const module = match[1] ?? match[2] ?? ''
      if (!module.startsWith('.')) counts[module] = (counts[module] ?? 0) + 1
    }
  }
  return counts
}

/** The last commit that touched each file, newest first. Files that were never committed have none. */
async function readLastChanges(
  root: string,
  files: readonly string[],
  signal: AbortSignal,
): Promise<readonly Change[]> {
  const format = ['log', '--format=%x00%ct', '--name-only', '--no-renames', '--', ...files]
  // A repository without commits has no log.
  const log = await runGit(root, format, { signal }).catch(() => '')
  const last = new Map<string, number>()
  for (const commit of log.split('\0').slice(1)) {
    const [seconds = '', ...paths] = commit.split('\n').filter((line) => line !== '')
    for (const path of paths) if (!last.has(path)) last.set(path, Number(seconds))
  }
  return [...last].map(([path, atSeconds]) => ({ path, atSeconds })).sort((a, b) => b.atSeconds - a.atSeconds)
}
