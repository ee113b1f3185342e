/**
 * The declarations of the package in this folder: of all that its entries reach, a file each. Nothing is type-checked
 * here, so that the packages above wait for less; the task `typecheck` does that.
 */
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'

const home = process.cwd()
const dist = join(home, 'dist')
const { exports } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'))
const entries = Object.values(exports).flatMap((target) => target['flowfabric-source'] ?? [])

// What a removed module left would be packed too.
for (const path of await readdir(dist, { recursive: true }).catch(() => [])) {
  if (path.endsWith('.d.ts')) await rm(join(dist, path))
}

const { config } = ts.readConfigFile(join(home, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, home)
const program = ts.createProgram(
  entries.map((entry) => join(home, entry)),
  {
    ...options,
    // Against the built declarations of the other packages, as a user sees them.
    customConditions: [],
    noEmit: false,
    noCheck: true,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: join(home, 'src'),
    outDir: dist,
  },
)
const { diagnostics } = program.emit()
const problems = [...program.getOptionsDiagnostics(), ...program.getSyntacticDiagnostics(), ...diagnostics]
if (problems.length > 0) {
  console.error(
    ts.formatDiagnostics(problems, {
      getCurrentDirectory: () => home,
      getCanonicalFileName: (name) => name,
      getNewLine: () => '\n',
    }),
  )
  process.exitCode = 1
}
