/**
 * The packages as a user gets them: packed, linted, and installed from their tarballs in empty projects,
 * each useful set alone. There each set's program from `test/packages` is type-checked and run, a path
 * outside `exports` must not resolve, and no package may bring the driver of a store that the set
 * doesn't name.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import ts from 'typescript'
import { outputOf, pnpmOutput, root } from './workspace.mjs'

/**
 * What is installed together; `beside` is what the user adds from the registry, and `program` is in
 * `test/packages`. Drivers that are not listed must not be there. The server comes first, because the
 * programs find it running: at `FF_URL`, with `FF_TOKEN`. At `FF_VALKEY_URL` they find a Valkey.
 */
const sets = [
  { packages: ['server'], program: 'server.mts', drivers: ['pg', '@electric-sql/pglite', 'iovalkey'] },
  { packages: ['core'], program: 'core.mts', drivers: [] },
  {
    packages: ['core', 'backend-postgres', 'engine'],
    beside: ['@electric-sql/pglite'],
    program: 'service.mts',
    drivers: ['pg', '@electric-sql/pglite'],
  },
  { packages: ['core', 'backend-valkey', 'engine'], program: 'valkey.mts', drivers: ['iovalkey'] },
  { packages: ['sdk'], program: 'sdk.mts', drivers: [] },
  {
    packages: ['embedded', 'sdk', 'backend-postgres'],
    beside: ['@electric-sql/pglite'],
    program: 'embedded.mts',
    drivers: ['pg', '@electric-sql/pglite'],
  },
  { packages: ['engine', 'scanners'], program: 'composition.mts', drivers: [] },
]
const everyDriver = ['pg', 'kysely', '@electric-sql/pglite', 'iovalkey']

const catalog = await readFile(join(root, 'pnpm-workspace.yaml'), 'utf8')
const problems = []
let server
let valkey
const work = await mkdtemp(join(tmpdir(), 'flowfabric-packages-'))
try {
  const packed = await pack()
  // Side by side: each of the two leaves most of its work to one other process at a time.
  await Promise.all([lintAll(packed), tryAll(packed)])
} finally {
  server?.process.kill('SIGKILL')
  await valkey?.stop()
  await rm(work, { recursive: true, force: true })
}
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)

/** Package name → its tarball and the names of what it depends on, for everything that is published. */
async function pack() {
  const folder = join(work, 'tarballs')
  await mkdir(folder)
  const packed = new Map()
  for (const home of await publishedFolders()) {
    const printed = await pnpmOutput(['pack', '--json', '--pack-destination', folder], {
      cwd: join(root, home),
    })
    const { name, filename, files } = JSON.parse(printed.slice(printed.indexOf('{')))
    const { dependencies = {} } = await readManifest(home)
    packed.set(name, { tarball: join(folder, basename(filename)), dependencies: Object.keys(dependencies) })
    const paths = files.map((file) => file.path)
    for (const path of paths.filter((each) => /\.test\.|(^|\/)src\/|\.tsbuildinfo$/.test(each))) {
      problems.push(`${name}: ships ${path}`)
    }
    // pnpm adds the workspace's licence, without listing it.
    if (!paths.includes('README.md')) problems.push(`${name}: ships no README.md`)
  }
  return packed
}

async function lintAll(packed) {
  for (const [name, { tarball }] of packed) await lint(name, tarball)
}

async function tryAll(packed) {
  valkey = await startValkey()
  for (const set of sets) {
    const project = await installAlone(set, packed)
    server ??= await startServer(project)
    await typeCheckAndRun(set, project)
  }
}

async function publishedFolders() {
  const folders = [
    'apps/server',
    ...(await readdir(join(root, 'packages'))).map((name) => `packages/${name}`),
  ]
  const manifests = await Promise.all(folders.map(readManifest))
  return folders.filter((_, index) => !manifests[index].private)
}

async function readManifest(home) {
  return JSON.parse(await readFile(join(root, home, 'package.json'), 'utf8'))
}

async function lint(name, tarball) {
  const buffer = await readFile(tarball)
  const bytes = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength)
  const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true })
  for (const message of messages)
    problems.push(`${name}: publint: ${formatMessage(message, pkg, { color: false })}`)
  await outputOf('attw', [tarball, '--profile', 'esm-only', '--no-emoji']).catch((error) => {
    problems.push(`${name}: ${error.message}`)
  })
}

async function installAlone({ packages, beside = [], drivers }, packed) {
  const title = packages.join(' + ')
  const project = join(work, packages.join('-'))
  await mkdir(project)
  const dependencies = Object.fromEntries([
    ...packages.map((name) => [`@flowfabric/${name}`, `file:${packed.get(`@flowfabric/${name}`).tarball}`]),
    ...beside.map((name) => [name, versionOf(name)]),
  ])
  // The packages ask the registry for each other; here they come from this build. Optional peers that the set doesn't name
  // are no part of it: pnpm would install what is named here.
  const names = withDependencies(
    packages.map((name) => `@flowfabric/${name}`),
    packed,
  )
  const overrides = Object.fromEntries(names.map((name) => [name, `file:${packed.get(name).tarball}`]))
  await writeJson(join(project, 'package.json'), {
    private: true,
    type: 'module',
    dependencies,
    pnpm: { overrides },
  })
  await writeFile(join(project, '.npmrc'), 'auto-install-peers=false\nignore-scripts=true\n')
  await writeFile(join(project, 'pnpm-workspace.yaml'), 'packages: []\n')
  await pnpmOutput(['install', '--prefer-offline', '--no-frozen-lockfile'], { cwd: project })

  const installed = await installedNames(project)
  for (const name of everyDriver.filter((each) => installed.has(each) && !drivers.includes(each))) {
    problems.push(`${title}: brings ${name}`)
  }
  for (const name of packages) await refuseInnerPaths(project, `@flowfabric/${name}`)
  return project
}

/** These packages of ours and those that they depend on, however deep. */
function withDependencies(names, packed) {
  const all = new Set(names)
  // What is added meanwhile is visited too.
  for (const name of all) {
    for (const each of packed.get(name).dependencies) if (packed.has(each)) all.add(each)
  }
  return [...all]
}

/** A private one, as the tests have it. */
async function startValkey() {
  const program = `
    import { startValkey } from './support/servers/valkey.ts'
    const server = await startValkey()
    console.log(server.url)
    process.stdin.on('end', () => server.stop()).resume()`
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    cwd: join(root, 'test'),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  for await (const url of createInterface({ input: child.stdout })) {
    const stop = async () => {
      child.stdin.end()
      await ended
    }
    return { url, stop }
  }
  throw new Error('no Valkey was started')
}

/** What `npx flowfabric dev` starts in that project. */
async function startServer(project) {
  const token = randomBytes(16).toString('hex')
  const command = join(project, 'node_modules/.bin/flowfabric')
  const child = spawn(command, ['dev'], {
    cwd: project,
    // What `FF_BACKEND` names for tests is no place for this one.
    env: { ...process.env, FF_BACKEND: 'pglite', FF_TOKEN: token, FF_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /http:\/\/\S+?(?=,|$)/.exec(line)?.[0]
    if (url !== undefined) return { process: child, env: { FF_URL: url, FF_TOKEN: token } }
  }
  throw new Error('flowfabric dev ended without telling its address')
}

/** From the workspace's catalog. */
function versionOf(name) {
  return new RegExp(`^ +["']?${name}["']?: +(\\S+)$`, 'm').exec(catalog)[1]
}

/** Everything that came with an installation, however deep: pnpm lists each package as `name@version`. */
async function installedNames(project) {
  const entries = await readdir(join(project, 'node_modules/.pnpm'))
  return new Set(entries.map((entry) => entry.slice(0, entry.indexOf('@', 1)).replace('+', '/')))
}

async function refuseInnerPaths(project, name) {
  const attempt = `import('${name}/dist/index.js').then(() => 'loaded', (error) => error.code).then(console.log)`
  const answer = await outputOf(process.execPath, ['--input-type=module', '-e', attempt], { cwd: project })
  if (answer.trim() !== 'ERR_PACKAGE_PATH_NOT_EXPORTED')
    problems.push(`${name}/dist/index.js: ${answer.trim()}`)
}

async function typeCheckAndRun({ packages, program }, project) {
  const title = packages.join(' + ')
  const source = join(project, program)
  await cp(join(root, 'test/packages', program), source)
  const compiled = ts.createProgram([source], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    typeRoots: [join(root, 'node_modules/@types')],
    types: ['node'],
  })
  // Declarations too, because one that names an undeclared dependency breaks only here. Other people's
  // declarations are theirs.
  const ours = compiled
    .getSourceFiles()
    .filter(({ fileName }) => !/node_modules\/(?!\.pnpm\/@flowfabric)/.test(fileName))
  const diagnostics = ours.flatMap((file) => [
    ...compiled.getSyntacticDiagnostics(file),
    ...compiled.getSemanticDiagnostics(file),
  ])
  for (const { file, messageText } of diagnostics) {
    const place = file?.fileName.slice(project.length + 1)
    problems.push(`${title}: ${place}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)
  }
  if (diagnostics.length > 0) return
  // The one file: emitting a whole program checks all that it imports.
  compiled.emit(compiled.getSourceFile(source))
  await outputOf(process.execPath, [source.replace(/\.mts$/, '.mjs')], {
    cwd: project,
    env: { ...server.env, FF_VALKEY_URL: valkey.url },
    timeout: 60_000,
  }).catch((error) => {
    problems.push(`${title}: ${error.message}`)
  })
}

function writeJson(path, value) {
  return writeFile(path, JSON.stringify(value, null, 2))
}
