/**
 * Writes the tables of the documents that follow from code: the state machine, the error codes, the settings and
 * the list of operations. With
 * `--check` it writes nothing, and fails when a document is not what the code says. Needs what `build` makes.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { readContract, readStore, stores } from './operations.mjs'
import { root } from './workspace.mjs'

const core = await load('packages/core/dist/index.js')
const { describeSettings } = await load('apps/server/dist/index.js')

const documents = {
  'docs/state-machine.md': describeStateMachine(),
  'docs/errors.md': describeErrors(),
  'docs/configuration.md': describeConfiguration(),
  'docs/operations.md': describeOperations(),
}

const isCheck = process.argv.includes('--check')
let stale = 0
for (const [path, text] of Object.entries(documents)) {
  const file = join(root, path)
  if (!isCheck) {
    await writeFile(file, text)
    continue
  }
  const present = await readFile(file, 'utf8').catch(() => '')
  if (present === text) continue
  stale += 1
  console.error(`${path} is not what the code says: run \`node scripts/generate-docs.mjs\``)
}
if (stale > 0) process.exitCode = 1

function load(path) {
  return import(pathToFileURL(join(root, path)).href)
}

function describeStateMachine() {
  const { situations, situationMeanings, transitionEvents, eventMeanings, transitions } = core
  const cells = transitionEvents.map((event) => [
    `\`${event}\``,
    ...situations.map((situation) => describeTransition(transitions[situation][event])),
  ])
  return page(
    'State machine of an execution',
    'packages/core/src/state/transitions.ts',
    `An execution's state is a vector of six dimensions (\`packages/core/src/state/vector.ts\`); a *situation* is a class of
vectors that events treat alike. The public state that users see is derived from the vector, in
\`packages/core/src/state/public-state.ts\`. A test walks every cell of the table with every store
(\`test/conformance/state-machine.test.ts\`).`,
    '## Situations',
    table(
      ['situation', 'meaning'],
      situations.map((name) => [`\`${name}\``, situationMeanings[name]]),
    ),
    '## Events',
    table(
      ['event', 'meaning'],
      transitionEvents.map((name) => [`\`${name}\``, eventMeanings[name]]),
    ),
    '## Transitions',
    `→ the execution moves to one of these, as its other blocks, its policy and its flow have it · *stays* accepted, the
situation is the same · ✗ refused with that outcome, nothing changes · – cannot happen there.`,
    table(['', ...situations.map((name) => `\`${name}\``)], cells),
  )
}

function describeTransition(transition) {
  const note = transition.note === undefined ? '' : ` (${transition.note})`
  switch (transition.kind) {
    case 'moves':
      return `→ ${transition.to.map((name) => `\`${name}\``).join(', ')}${note}`
    case 'stays':
      return `*stays*${note}`
    case 'refused':
      return `✗ \`${transition.outcome}\``
    default:
      return '–'
  }
}

function describeErrors() {
  const advice = {
    validation: 'The request is wrong. Correct it: sending it again is refused again.',
    not_found: 'There is no such thing, or it is another namespace’s: the two are never told apart.',
    conflict: 'Someone else decided first. Sending it again is useless; read what there is now.',
    state: 'Not possible in the present state. Read the state, then decide.',
    contention: 'Others were at the same records. Nothing was done; send it again, with a pause.',
    resource_exhausted: 'A bound or limit is reached. Where `retryAfterMs` is given, wait that long.',
    transport:
      'The answer was lost. `mayHaveCommitted` says whether the call may have been carried out; every operation may be sent again as it was.',
    unavailable: 'The store or the process cannot do it now, or was set up wrongly. Look at the message.',
    corruption: 'A record does not decode. Nothing was decided from it; report it.',
  }
  const entries = Object.entries(core.errorCodes)
  const sections = Object.entries(advice).flatMap(([kind, text]) => [
    `## ${kind}`,
    text,
    table(
      ['code', 'status', 'retry', 'meaning'],
      entries
        .filter(([, entry]) => entry.kind === kind)
        .map(([code, { httpStatus, retry, meaning }]) => [`\`${code}\``, String(httpStatus), retry, meaning]),
    ),
  ])
  return page(
    'Errors',
    'packages/core/src/errors/codes.ts',
    `Every error is an \`EngineError\` with a code of these tables; over HTTP it is a problem document (RFC 9457,
\`application/problem+json\`) of type \`urn:flowfabric:error:<code>\`. A code is never renamed and never means something else.
A refusing outcome of an operation has the code of the same name: in a batch it stays the item's outcome, alone it is a
problem document. \`retry\` is \`never\` (it will be refused again), \`safe\` (send it again unchanged) or \`after_refresh\`
(read the present state first).`,
    ...sections,
  )
}

function describeConfiguration() {
  const rows = describeSettings().map((setting) => [
    `\`${setting.name}\``,
    setting.isSecret
      ? `\`${setting.environment}\`, \`${setting.environment}_FILE\``
      : `\`${setting.environment}\``,
    setting.flag === null ? '–' : `\`${setting.flag}\``,
    setting.default === null ? '–' : `\`${setting.default}\``,
    setting.description,
  ])
  return page(
    'Configuration of the server',
    'apps/server/src/config/settings.ts',
    `Settings come from a JSON file (\`--config\`, \`FF_CONFIG\`), then the environment, then flags; the later one wins. A name
that does not exist is an error. \`flowfabric config\` prints what is in force and where each value came from, secrets
masked. Secrets have no flag, since a process list would show it; they may be read from a file.`,
    table(['setting', 'environment', 'flag', 'default', 'meaning'], rows),
    `The commands that talk to a server read \`FF_URL\`, \`FF_TOKEN\` and \`FF_NAMESPACE\`.`,
  )
}

function describeOperations() {
  const columns = Object.entries(stores).map(([store, place]) => [store, readStore(place)])
  const sections = readContract().flatMap(({ role, operations }) => [
    `## ${role}`,
    table(
      ['operation', ...columns.map(([store]) => store)],
      operations.map((operation) => [
        `\`${operation}\``,
        ...columns.map(([, found]) => describePlace(found.get(`${role}.${operation}`))),
      ]),
    ),
  ])
  return page(
    'Operations of the contract',
    'packages/core/src/contract and the composition of each store',
    `What each operation promises stands in its doc comment (\`packages/core/src/contract\`). These are the files that carry
it out: in the reference model (\`test/model\`), on Postgres (\`packages/backend-postgres/src\`) and on Valkey
(\`packages/backend-valkey/src\`). *core* marks what one function of core decides for both stores, from records that they
keep. \`node scripts/list-operations.mjs\` prints the same and fails when one is missing; a dash is one that no store has yet.`,
    ...sections,
  )
}

function describePlace(place) {
  if (place === undefined) return '–'
  const name = place.file.replace(/^(test\/model|packages\/[^/]+\/src)\//, '')
  const link = `[${name}](../${place.file})`
  return place.core === undefined ? link : `${link}, [core](../${place.core})`
}

function page(title, source, ...parts) {
  const note = `<!-- Made by scripts/generate-docs.mjs from ${source}. Do not edit. -->`
  return `${[`# ${title}`, note, ...parts].join('\n\n')}\n`
}

function table(headings, rows) {
  const line = (cells) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`
  return [line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n')
}
