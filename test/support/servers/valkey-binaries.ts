import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withFileLock } from './file-lock.js'
import { succeeds } from './server-process.js'
import { unpackValkey } from './valkey-packages.js'

export interface ValkeyBinary {
  /** The program's path, or its name where the system finds it. */
  server: string
  /** What it must be run with, over our own environment. */
  env: Record<string, string>
}

/** In the checkout, and ignored by git: a few megabytes that outlive the run. */
const cache = fileURLToPath(new URL('../../../.cache/', import.meta.url))

const installLine =
  'set VALKEY_SERVER to a valkey-server, or install one: `apt-get install valkey-server` ' +
  '(Debian 12: with `-t bookworm-backports`), `brew install valkey`'

/** `VALKEY_SERVER`, else the system's, else what was unpacked before, else Debian's or Ubuntu's packages. */
export async function findValkey(): Promise<ValkeyBinary> {
  const named = process.env.VALKEY_SERVER
  if (named) {
    const binary = { server: named, env: {} }
    if (await runs(binary)) return binary
    throw new Error(`VALKEY_SERVER is ${named}, which cannot be run: ${installLine}`)
  }
  const installed = { server: 'valkey-server', env: {} }
  if (await runs(installed)) return installed
  const target = join(cache, 'valkey')
  return (await findUnpacked(target)) ?? (await unpackOnce(target))
}

async function unpackOnce(target: string): Promise<ValkeyBinary> {
  if (!(await succeeds(['apt-get', '--version']))) throw new Error(`no valkey-server: ${installLine}`)
  try {
    await mkdir(cache, { recursive: true })
    return await withFileLock(join(cache, 'valkey.lock'), async () => {
      // Another process that started with us may have done it while we waited for the lock.
      const ready = await findUnpacked(target)
      if (ready !== undefined) return ready
      await unpackValkey(target)
      const unpacked = await findUnpacked(target)
      if (unpacked === undefined) throw new Error('the unpacked valkey-server cannot be run')
      return unpacked
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`no valkey-server: ${installLine}. Unpacking its packages failed: ${reason}`)
  }
}

/** Undefined if it isn't there, or cannot be run any more: a library that the system had may be gone. */
async function findUnpacked(folder: string): Promise<ValkeyBinary | undefined> {
  const server = join(folder, 'usr', 'bin', 'valkey-server')
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

function runs({ server, env }: ValkeyBinary): Promise<boolean> {
  return succeeds([server, '--version'], { env: { ...process.env, ...env } })
}
