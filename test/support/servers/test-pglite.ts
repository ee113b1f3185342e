import { openAsBlob } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { inject } from 'vitest'
import type { PgliteData } from './pglite-data.js'

/** In memory, and empty. */
export async function startTestPglite(): Promise<PGlite> {
  return PGlite.create({ loadDataDir: await openAsBlob(pgliteData().file) })
}

/** Makes in the folder of an embedded store what its first start would make there. */
export function furnishFolder(folder: string): Promise<void> {
  return cp(pgliteData().folder, join(folder, 'pgdata'), { recursive: true })
}

function pgliteData(): PgliteData {
  const data = inject('pgliteData')
  if (data !== undefined) return data
  throw new Error('this project has no PGlite: name it in support/servers/global-setup.ts')
}
