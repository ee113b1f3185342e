/**
 * The declarations of all packages that are published: of all that their entries reach, a file each, beside what the build
 * made. One program for all of them, since each would read most of the others again. Nothing is type-checked here: `check:types`
 * does that, and `check:packages` reads the declarations as a user's compiler does.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const homes = []
const entries = []
for (const room of ['packages', 'apps']) {
  for (const name of await readdir(join(root, room))) {
    const home = join(root, room, name)
    const { exports = {} } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'))
    const sources = Object.values(exports).flatMap((target) => target['flowfabric-source'] ?? [])
    if (sources.length === 0) continue
    homes.push(home)
    entries.push(...sources.map((source) => join(home, source)))
  }
}

// What a removed module left would be packed too.
for (const home of homes) {
  const dist = join(home, 'dist')
  for (const path of await readdir(dist, { recursive: true }).catch(() => [])) {
    if (path.endsWith('.d.ts')) await rm(join(dist, path))
  }
}

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
const program = ts.createProgram(entries, {
  ...options,
  noEmit: false,
  noCheck: true,
  declaration: true,
  emitDeclarationOnly: true,
})
const { diagnostics } = program.emit(undefined, writeBesideBuild)
const problems = [...program.getOptionsDiagnostics(), ...program.getSyntacticDiagnostics(), ...diagnostics]
if (problems.length > 0) {
  console.error(
    ts.formatDiagnostics(problems, {
      getCurrentDirectory: () => root,
      getCanonicalFileName: (name) => name,
      getNewLine: () => '\n',
    }),
  )
  process.exitCode = 1
}

/** The compiler would write each beside its source. */
function writeBesideBuild(path, text) {
  const home = homes.find((each) => path.startsWith(join(each, 'src/')))
  if (home === undefined) throw new Error(`${path} is of no package`)
  ts.sys.writeFile(join(home, 'dist', path.slice(join(home, 'src/').length)), text)
}
