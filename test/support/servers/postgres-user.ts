import { chown, cp } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresBinaries } from './postgres-binaries.js'
import { dieWithParent, succeeds } from './server-process.js'

/** How to run a PostgreSQL program so that it neither sees root nor outlives this process. */
export interface Launcher {
  bin: string
  /** Put before the program: `[...prefix, program, ...args]`. */
  prefix: string[]
  /** Another user, when there is one to become. */
  identity: { uid?: number; gid?: number }
}

export const nobody = { uid: 65534, gid: 65534 }
export const inUserNamespace = ['unshare', '--user', '--map-user=1000', '--map-group=1000', '--']

/**
 * PostgreSQL refuses root. A user namespace makes root look like someone else and needs neither copy nor
 * chown; where that isn't allowed, or where it cannot read the binaries, `nobody` runs the server on a
 * copy of them below `base`.
 */
export async function chooseLauncher(binaries: PostgresBinaries, base: string): Promise<Launcher> {
  const watched = await dieWithParent('INT')
  const plain: Launcher = { bin: binaries.bin, prefix: watched, identity: {} }
  if (process.getuid?.() !== 0) return plain

  const namespaced: Launcher = { ...plain, prefix: [...inUserNamespace, ...watched] }
  if (await starts(namespaced)) return namespaced

  await chown(base, nobody.uid, nobody.gid)
  const other: Launcher = { ...plain, identity: nobody }
  if (await starts(other)) return other
  if (binaries.native === undefined) throw new Error(`uid ${nobody.uid} cannot run ${binaries.bin}/initdb`)
  const copy = join(base, 'native')
  await cp(binaries.native, copy, { recursive: true, verbatimSymlinks: true })
  return { ...other, bin: join(copy, 'bin') }
}

function starts({ bin, prefix, identity }: Launcher): Promise<boolean> {
  return succeeds([...prefix, join(bin, 'initdb'), '--version'], identity)
}
