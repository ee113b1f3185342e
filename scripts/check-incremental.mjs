/**
 * Nothing changed: the second build and type check are all cache hits. A change in `scanners` rebuilds
 * what is joined with it, and no backend. Turborepo is asked about a copy of the tree, without running
 * anything there, so nobody's files are touched.
 */
import { execFileSync } from 'node:child_process'
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, turbo, turboPlan } from './workspace.mjs'

const tasks = ['run', 'build', 'declarations', 'check:types']
const mayMiss = new Set(['scanners', 'embedded', 'server', 'test', 'bench', 'examples'])

if ((await turbo([...tasks, '--concurrency=2', '--output-logs=errors-only'], { quiet: true })) !== 0)
  process.exit(1)

const copy = await mkdtemp(join(tmpdir(), 'flowfabric-incremental-'))
try {
  await copyTree(copy)
  const unchanged = await missesIn(copy)
  await appendFile(join(copy, 'packages/scanners/src/index.ts'), '\n// Changed.\n')
  const changed = await missesIn(copy)

  const problems = [
    ...unchanged.map((task) => `${task} would run again though nothing has changed`),
    ...changed
      .filter((task) => isOfPackage(task) && !mayMiss.has(nameOf(task)))
      .map((task) => `a change in scanners would run ${task}`),
  ]
  if (!changed.includes('@flowfabric/scanners#build'))
    problems.push('a change in scanners would not rebuild it')
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
} finally {
  await rm(copy, { recursive: true, force: true })
}

async function copyTree(target) {
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  })
  for (const path of list.toString().split('\0').filter(Boolean)) {
    await cp(join(root, path), join(target, path), { recursive: true }).catch((error) => {
      // Deleted, and not committed yet.
      if (error.code !== 'ENOENT') throw error
    })
  }
}

/** The tasks that the cache has no result for. */
async function missesIn(folder) {
  const { tasks: planned } = await turboPlan(folder, tasks)
  return planned
    .filter(({ command, cache }) => command !== '<NONEXISTENT>' && cache.status !== 'HIT')
    .map(({ taskId }) => taskId)
}

function isOfPackage(taskId) {
  return !taskId.startsWith('//#')
}

function nameOf(taskId) {
  return taskId.slice('@flowfabric/'.length).split('#')[0]
}
