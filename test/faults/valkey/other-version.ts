import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { createValkeyBackend } from '@flowfabric/backend-valkey'
import { onTestFinished } from 'vitest'

const run = promisify(execFile)
const source = fileURLToPath(new URL('../../../packages/backend-valkey', import.meta.url))

export interface Version {
  readonly createValkeyBackend: typeof createValkeyBackend
  /** Under which its library is loaded. */
  readonly library: { readonly name: string; readonly prefix: string }
}

/**
 * The package as another release of it would be: a copy whose Lua differs by a module that nobody calls, so that its
 * library has another hash and its functions have other names. Removed with the test.
 */
export async function openOtherVersion(): Promise<Version> {
  const folder = await mkdtemp(join(tmpdir(), 'flowfabric-other-version-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const part of ['lua', 'scripts', 'src', 'package.json']) {
    await cp(join(source, part), join(folder, part), { recursive: true })
  }
  await symlink(join(source, 'node_modules'), join(folder, 'node_modules'))
  const module = join(folder, 'lua/shared/sound.lua')
  const lua = await readFile(module, 'utf8')
  await writeFile(module, `${lua}\nfunction sound.of_another_version() return 2 end\n`)
  await run(process.execPath, [join(folder, 'scripts/build-library.mjs')])
  const [made, generated] = await Promise.all([
    import(join(folder, 'src/index.ts')),
    import(join(folder, 'src/generated/library.ts')),
  ])
  return { createValkeyBackend: made.createValkeyBackend, library: generated.library }
}

export async function openThisVersion(): Promise<Version> {
  const [made, generated] = await Promise.all([
    import('@flowfabric/backend-valkey'),
    import('../../../packages/backend-valkey/src/generated/library.js'),
  ])
  return { createValkeyBackend: made.createValkeyBackend, library: generated.library }
}
