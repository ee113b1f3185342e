/**
 * Dependencies point one way: core knows nobody, a backend, the engine, the scanners and the SDK know
 * only core, and only a composition root names a backend. Holds for manifests and for every import.
 */
import { readdir, readFile } from 'node:fs/promises'
import { isBuiltin } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { root } from './workspace.mjs'

const libraries = ['core', 'backend-postgres', 'backend-valkey', 'engine', 'scanners', 'sdk', 'embedded']
const everything = [...libraries, 'server']

/** Folder of a package → the `@flowfabric/*` packages that it may know. */
const mayKnow = {
  'packages/core': [],
  'packages/backend-postgres': ['core'],
  'packages/backend-valkey': ['core'],
  'packages/engine': ['core'],
  'packages/scanners': ['core'],
  'packages/sdk': ['core'],
  'packages/embedded': ['core', 'engine', 'scanners', 'backend-postgres', 'backend-valkey'],
  'apps/server': libraries,
  test: [...everything, 'examples'],
  bench: [...everything, 'test'],
  examples: everything,
}

/**
 * Tests that look below a package's exports: what only that store has, and the hooks that break its records. Most of what
 * Postgres has inside is SQL, which its tests speak.
 */
const insiders = [
  {
    home: 'packages/backend-valkey',
    files:
      /^test\/(valkey\/|faults\/valkey\/|planted\/|support\/(dying-claimers|faults\/valkey-|operation-parts))/,
  },
  // What a role is made of, for tests that let a part of it fail; and the migrations one by one.
  { home: 'packages/backend-postgres', files: /^test\/(support\/operation-parts|postgres\/migrations)/ },
]

/** What core must not reach for: it has no store, no transport and no timer. Hashing is arithmetic. */
const coreBuiltins = ['node:crypto']
const timers = /(?<![.\w])(setTimeout|setInterval|setImmediate)\s*\(/

const rootTools = namesIn(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')), ['devDependencies'])
const problems = []

for (const folder of await packageFolders()) {
  const allowed = mayKnow[folder]
  if (allowed === undefined) {
    problems.push(`${folder}: has no row in scripts/check-layers.mjs`)
    continue
  }
  const manifest = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
  const shipped = namesIn(manifest, ['dependencies', 'peerDependencies', 'optionalDependencies'])
  const known = new Set([...shipped, ...namesIn(manifest, ['devDependencies'])])
  for (const name of known) {
    if (!isAllowed(name, allowed)) problems.push(`${folder}/package.json: must not depend on ${name}`)
  }
  for (const file of await sourceFiles(folder)) {
    await checkImports({ folder, file, own: manifest.name, allowed, shipped, known })
  }
}

for (const problem of problems.sort()) console.error(problem)
if (problems.length > 0) process.exit(1)

async function checkImports({ folder, file, own, allowed, shipped, known }) {
  const text = await readFile(join(root, file), 'utf8')
  // Tests and build files see development dependencies and the root's tools; what is shipped does not.
  const isShipped = file.startsWith(`${folder}/src/`) && !/\.test\.ts$/.test(file)
  if (folder === 'packages/core' && isShipped && timers.test(text))
    problems.push(`${file}: core has no timers`)
  for (const { fileName: specifier } of ts.preProcessFile(text, true, true).importedFiles) {
    if (specifier.startsWith('.')) {
      const target = relative(join(root, folder), resolve(root, dirname(file), specifier))
      const isInsider = mayLookInside(file, join(folder, target))
      if (target.startsWith('..') && !isBuildFile(folder, target) && !isInsider) {
        problems.push(`${file}: '${specifier}' leaves the package`)
      }
      continue
    }
    if (isBuiltin(specifier)) {
      if (folder === 'packages/core' && isShipped && !coreBuiltins.includes(specifier))
        problems.push(`${file}: core imports '${specifier}'`)
      continue
    }
    const name = packageOf(specifier)
    if (!isAllowed(name, allowed) && name !== own) problems.push(`${file}: must not import '${specifier}'`)
    const declared = isShipped ? shipped : known
    const isDeclared = declared.has(name) || name === own || (!isShipped && rootTools.has(name))
    if (!isDeclared) problems.push(`${file}: imports '${name}', which its package.json does not name`)
  }
}

function isAllowed(name, allowed) {
  return !name.startsWith('@flowfabric/') || allowed.includes(name.slice('@flowfabric/'.length))
}

/** `tsup.config.ts` shares the preset; the suite reads the workspace's own configuration. */
function isBuildFile(folder, target) {
  const path = join(folder, target)
  return path === 'scripts/tsup-preset.js' || (folder === 'test' && !/^(packages|apps)\//.test(path))
}

function mayLookInside(file, target) {
  return insiders.some(({ home, files }) => target.startsWith(`${home}/`) && files.test(file))
}

function packageOf(specifier) {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? `${parts[0]}/${parts[1]}` : parts[0]
}

function namesIn(manifest, fields) {
  return new Set(fields.flatMap((field) => Object.keys(manifest[field] ?? {})))
}

async function packageFolders() {
  const folders = ['test', 'bench', 'examples']
  for (const parent of ['packages', 'apps']) {
    for (const name of await readdir(join(root, parent))) folders.push(`${parent}/${name}`)
  }
  return folders
}

async function sourceFiles(folder) {
  const entries = await readdir(join(root, folder), { recursive: true })
  return entries
    .filter((path) => /\.m?ts$/.test(path) && !/(^|\/)(node_modules|dist|\..*)\//.test(path))
    .map((path) => `${folder}/${path}`)
}
