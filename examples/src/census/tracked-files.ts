import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runGit } from './git.js'

/** Files that git tracks, as far as they are there and are plain files. Sorted. */
export async function listTrackedFiles(root: string, signal?: AbortSignal): Promise<readonly string[]> {
  const printed = await runGit(root, ['ls-files', '-z'], signal === undefined ? {} : { signal })
  const paths = [...new Set(printed.split('\0'))].filter((path) => path !== '').sort()
  const present = await Promise.all(paths.map((path) => isPlainFile(join(root, path))))
  return paths.filter((_, index) => present[index])
}

async function isPlainFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile()
  } catch {
    return false
  }
}

/** A file's text, or `undefined` for what git would call binary: NUL among its first 8000 bytes. */
export async function readText(root: string, path: string): Promise<string | undefined> {
  const bytes = await readFile(join(root, path))
  return bytes.subarray(0, 8_000).includes(0) ? undefined : bytes.toString('utf8')
}

/** Lines of a text; an unfinished last one counts. */
export function countLines(text: string): number {
  if (text === '') return 0
  let lines = text.endsWith('\n') ? 0 : 1
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++
  return lines
}
