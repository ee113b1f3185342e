import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What a PGlite makes of an empty place at its first start. */
export interface PgliteData {
  /** The data folder. */
  readonly folder: string
  /** The same in one file, for `PGlite.create({ loadDataDir })`. */
  readonly file: string
}

/** The first start takes PGlite five seconds of computing, one on this data takes it one. */
export async function makePgliteData(): Promise<PgliteData & { stop(): Promise<void> }> {
  const home = await mkdtemp(join(tmpdir(), 'flowfabric-pglite-'))
  const [folder, file] = [join(home, 'pgdata'), join(home, 'pgdata.tar')]
  const stop = () => rm(home, { recursive: true, force: true })
  const program = `
    import { writeFile } from 'node:fs/promises'
    import { PGlite } from '@electric-sql/pglite'
    const pglite = await PGlite.create({ dataDir: ${JSON.stringify(folder)} })
    const data = await pglite.dumpDataDir('none')
    await writeFile(${JSON.stringify(file)}, Buffer.from(await data.arrayBuffer()))
    await pglite.close()`
  try {
    // Meanwhile this process would answer nobody.
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { folder, file, stop }
}
