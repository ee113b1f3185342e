import { runCommandLine } from './cli/program.js'

/** The command `flowfabric`. A second signal ends it at once. */
const asked = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    asked.abort()
    process.once(name, () => process.exit(1))
  })
}
process.exitCode = await runCommandLine(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  signal: asked.signal,
})
