import { execFile } from 'node:child_process'

/** What git prints, run in a folder. `input` goes to its standard input. */
export function runGit(
  folder: string,
  args: readonly string[],
  { signal, input }: { readonly signal?: AbortSignal; readonly input?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      'git',
      ['-C', folder, ...args],
      { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024, ...(signal !== undefined && { signal }) },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`git ${args[0]}: ${stderr.trim() || error.message}`, { cause: error }))
      },
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}

/** The top folder of the working tree that a folder is in. */
export async function findTree(folder: string): Promise<string> {
  return (await runGit(folder, ['rev-parse', '--show-toplevel'])).trim()
}
