/**
 * Every TypeScript sample of the documents is type-checked against the built packages, as a reader would
 * use them. What stands after the fence's ```ts says more:
 *
 *   run            it is run too, in an empty folder, and must end by itself with exit code 0
 *   file=name.ts   later samples of the same document may import it as './name.js'
 *   excerpt        neither: a piece of a file, or an interface shown for reading
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { outputOf, root } from './workspace.mjs'

const runWithinMs = 60_000

// Below `test`, because that package depends on all others.
const work = await mkdtemp(join(root, 'test', '.samples-'))
const problems = []
try {
  const samples = (await Promise.all((await documents()).map(samplesOf))).flat()
  await writeSamples(samples)
  typeCheck(samples)
  if (problems.length === 0) for (const sample of samples) if (sample.isRun) await runSample(sample)
  if (problems.length === 0) console.log(`${samples.length} samples`)
} finally {
  await rm(work, { recursive: true, force: true })
}
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)

async function documents() {
  const nested = await readdir(join(root, 'docs'), { recursive: true }).catch(() => [])
  const folders = ['packages', 'apps'].map(async (parent) =>
    (await readdir(join(root, parent))).map((name) => `${parent}/${name}/README.md`),
  )
  return [
    ...(await readdir(root)),
    ...nested.map((path) => `docs/${path}`),
    ...(await Promise.all(folders)).flat(),
  ].filter((path) => path.endsWith('.md'))
}

/** The fenced samples of one document, each with the line that its first line stands on. */
async function samplesOf(path) {
  const text = await readFile(join(root, path), 'utf8').catch((error) => {
    // Not every package has a README yet; that is another check's business.
    if (error.code !== 'ENOENT') throw error
    return ''
  })
  const folder = join(work, path.replaceAll(/\W/g, '-'))
  const fences = [...text.matchAll(/^```(?:ts|typescript)(?:[ \t]+(.*))?\n([\s\S]*?)^```$/gm)]
  return fences
    .map(([whole, info = '', code], index) => {
      const words = info.trim().split(/\s+/)
      const name =
        words.find((word) => word.startsWith('file='))?.slice('file='.length) ?? `sample-${index}.ts`
      const line = text.slice(0, text.indexOf(whole)).split('\n').length + 1
      return { path, folder, line, code, file: join(folder, name), isRun: words.includes('run'), words }
    })
    .filter(({ words }) => !words.includes('excerpt'))
}

async function writeSamples(samples) {
  await writeFile(join(work, 'package.json'), '{ "type": "module" }')
  for (const { folder, file, code } of samples) {
    await mkdir(folder, { recursive: true })
    await writeFile(file, code)
  }
}

function typeCheck(samples) {
  const program = ts.createProgram(
    samples.map(({ file }) => file),
    {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: true,
      typeRoots: [join(root, 'node_modules/@types')],
      types: ['node'],
    },
  )
  for (const sample of samples) {
    const source = program.getSourceFile(sample.file)
    for (const { start = 0, messageText } of ts.getPreEmitDiagnostics(program, source)) {
      const line = sample.line + source.getLineAndCharacterOfPosition(start).line
      problems.push(`${sample.path}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
    }
  }
  // One by one: emitting a whole program checks all that it imports.
  for (const { file } of samples) program.emit(program.getSourceFile(file))
}

async function runSample({ path, line, file }) {
  const cwd = await mkdtemp(join(tmpdir(), 'flowfabric-sample-'))
  const program = file.replace(/\.ts$/, '.js')
  try {
    await outputOf(process.execPath, [program], { cwd, timeout: runWithinMs })
  } catch (error) {
    problems.push(`${path}:${line}: ${error.message}`)
  } finally {
    await rm(cwd, { recursive: true, force: true })
  }
}
