import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unpackPackage } from './debian-packages.js'
import { withFileLock } from './file-lock.js'
import { succeeds } from './server-process.js'

/** A program of a server. */
export interface ServerBinary {
  /** The program's path, or its name where the system finds it. */
  server: string
  /** What it must be run with, over our own environment. */
  env: Record<string, string>
}

/** A program of a Debian package. */
export interface PackagedProgram {
  packageName: string
  /** Where it is in the package, such as `usr/bin/valkey-server`. */
  path: string
  /** What to do where it can't be unpacked. */
  installLine: string
}

/** In the checkout, and ignored by git: a few megabytes that outlive the run. */
const cache = fileURLToPath(new URL('../../../.cache/', import.meta.url))

/** What was unpacked before, else Debian's or Ubuntu's package. */
export async function findUnpackedOrUnpack(program: PackagedProgram): Promise<ServerBinary> {
  const { packageName, installLine } = program
  const target = join(cache, packageName.replace(/-server$/, ''))
  const known = await findUnpacked(target, program)
  if (known !== undefined) return known
  if (!(await succeeds(['apt-get', '--version']))) throw new Error(`no ${packageName}: ${installLine}`)
  try {
    await mkdir(cache, { recursive: true })
    return await withFileLock(`${target}.lock`, async () => {
      // Another process that started with us may have done it while we waited for the lock.
      const ready = await findUnpacked(target, program)
      if (ready !== undefined) return ready
      await unpackPackage(packageName, target)
      const unpacked = await findUnpacked(target, program)
      if (unpacked === undefined) throw new Error(`the unpacked ${packageName} cannot be run`)
      return unpacked
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`no ${packageName}: ${installLine}. Unpacking its packages failed: ${reason}`)
  }
}

/** Undefined if it isn't there, or cannot be run any more: a library that the system had may be gone. */
async function findUnpacked(folder: string, { path }: PackagedProgram): Promise<ServerBinary | undefined> {
  const server = join(folder, path)
  if (!existsSync(server)) return undefined
  // `usr/lib/x86_64-linux-gnu` and the like; older packages have it without `usr`.
  const libraries: string[] = []
  for (const parent of [join(folder, 'usr', 'lib'), join(folder, 'lib')]) {
    const names = await readdir(parent).catch(() => [])
    libraries.push(...names.filter((name) => name.includes('-linux-')).map((name) => join(parent, name)))
  }
  const inherited = process.env.LD_LIBRARY_PATH
  const binary = {
    server,
    env: { LD_LIBRARY_PATH: [...libraries, ...(inherited ? [inherited] : [])].join(delimiter) },
  }
  return (await runs(binary)) ? binary : undefined
}

export function runs({ server, env }: ServerBinary): Promise<boolean> {
  return succeeds([server, '--version'], { env: { ...process.env, ...env } })
}
