import fs from 'node:fs'
import path from 'node:path'
import type { PGlite } from '@electric-sql/pglite'
import { type FolderLock, lockFolder } from './folder-lock.js'

export interface OpenPgliteOptions {
  /**
   * `process-death` (default): what was acknowledged survives a killed process, not a power failure; PGlite never calls
   * fsync. `power-loss`: every commit is flushed to the disk, at a quarter of the speed.
   */
  readonly durability?: 'process-death' | 'power-loss' | undefined
}

/** An open embedded store, this process's alone. */
export interface OpenedPglite {
  readonly pglite: PGlite
  /** Tell a second opener where this process can be reached. */
  announce(url: string): void
  /** Flushes and gives the folder up. */
  close(): Promise<void>
}

/** Less than the defaults: an embedded store holds megabytes, and each of them is the host process's memory. */
const serverSettings = ['shared_buffers=16MB', 'max_wal_size=64MB']

/**
 * Opens the embedded store of a folder, or one in memory that ends with the process (`:memory:`).
 * Throws `store_in_use` when another process has the folder open.
 */
export async function openPglite(folder: string, options: OpenPgliteOptions = {}): Promise<OpenedPglite> {
  if (folder === ':memory:') {
    const pglite = await (await loadPglite()).create({ postgresqlconf: serverSettings })
    return { pglite, announce() {}, close: () => pglite.close() }
  }
  const lock = await lockFolder(folder)
  try {
    const pglite = await openData(path.join(folder, 'pgdata'), options)
    return { pglite, announce: (url) => lock.announce(url), close: () => closeAll(pglite, lock) }
  } catch (fault) {
    await lock.release()
    throw fault
  }
}

/** An optional peer: whoever runs on a server never installs it. */
async function loadPglite(): Promise<typeof PGlite> {
  return (await import('@electric-sql/pglite')).PGlite
}

async function openData(
  dataDir: string,
  { durability = 'process-death' }: OpenPgliteOptions,
): Promise<PGlite> {
  const Lite = await loadPglite()
  if (durability === 'process-death') return Lite.create({ dataDir, postgresqlconf: serverSettings })
  const startParams = [
    ...Lite.defaultStartParams.filter((param) => param !== '-F'),
    '-c',
    'wal_sync_method=fsync',
  ]
  const pglite = await Lite.create({ dataDir, postgresqlconf: serverSettings, startParams })
  flushForReal(pglite)
  return pglite
}

interface NodeFiles {
  readonly NODEFS: { readonly stream_ops: { fsync?: (stream: { readonly nfd: number }) => number } }
}

/** PGlite's file layer has no fsync. This reaches into it, which is why its version is pinned and a test counts the flushes. */
function flushForReal(pglite: PGlite): void {
  const { NODEFS } = (pglite as unknown as { readonly Module: NodeFiles }).Module
  NODEFS.stream_ops.fsync = ({ nfd }) => {
    fs.fsyncSync(nfd)
    return 0
  }
}

async function closeAll(pglite: PGlite, lock: FolderLock): Promise<void> {
  try {
    await pglite.close()
  } finally {
    await lock.release()
  }
}
