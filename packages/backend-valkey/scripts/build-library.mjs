/**
 * Puts the Lua files together to one function library, and writes what TypeScript needs of it.
 *
 *     node packages/backend-valkey/scripts/build-library.mjs [--check]
 *
 * `lua/shared/*.lua` are modules: tables of functions, by the name of the file. Every other file is one function that
 * clients call; its header says what it takes and answers (see `read-header.mjs`).
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { layouts } from '../lua/layouts.mjs'
import { luaChecks } from './lua-checks.mjs'
import { readHeader } from './read-header.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const lua = join(root, 'lua')

/** Raised when old functions could not read what new ones write. */
const LAYOUT = 1

const files = readdirSync(lua, { recursive: true })
  .filter((name) => name.endsWith('.lua'))
  .sort()
const modules = files.filter((name) => name.startsWith('shared/'))
const functions = files
  .filter((name) => !name.startsWith('shared/'))
  .map((name) => readHeader(name, readFileSync(join(lua, name), 'utf8')))

const body = assemble()
const hash = createHash('sha256').update(body).digest('hex').slice(0, 8)
const prefix = `ff${LAYOUT}_${hash}_`
const name = `flowfabric_${LAYOUT}_${hash}`
const source = `#!lua name=${name}\n${body.replaceAll('@PREFIX@', prefix).replaceAll('@NAME@', name)}`

const outputs = {
  'library.ts': `/** Made by \`scripts/build-library.mjs\` of the files in \`lua\`. */
export const library = {
  name: '${name}',
  prefix: '${prefix}',
  layout: ${LAYOUT},
  source: ${JSON.stringify(source)},
} as const
`,
  'functions.ts': `/** Made by \`scripts/build-library.mjs\` of the headers of the files in \`lua\`. */

export interface LibraryFunctions {
${functions.map(describeFunction).join('\n')}
}

/** Which functions only read, so that a repeat of a lost call is always the same. */
export const readOnlyFunctions: ReadonlySet<string> = new Set(${JSON.stringify(
    functions.filter(({ flags }) => flags.includes('no-writes')).map(({ name }) => name),
  )})

/** Which functions keep their answers by the id of the request, for a repeat of a lost call. */
export const requestFunctions: ReadonlySet<string> = new Set(${JSON.stringify(
    functions.filter(({ repeat }) => repeat === 'request').map(({ name }) => name),
  )})

/** What each function may bring about that its caller is told of; absent where that is nothing. */
export const broughtBy: Readonly<Partial<Record<keyof LibraryFunctions, 'submit' | 'terminal' | 'record'>>> = ${JSON.stringify(
    Object.fromEntries(
      functions
        .filter(({ brings }) => ['submit', 'terminal', 'record'].includes(brings))
        .map(({ name, brings }) => [name, brings]),
    ),
  )}
`,
  'layouts.ts': `/** Made by \`scripts/build-library.mjs\` of \`lua/layouts.mjs\`: the place of each field in a record. */
${Object.entries(layouts)
  .filter(([name]) => !['projection', 'slip'].includes(name))
  .map(([name, { fields }]) => `export const ${name}Fields = ${placesOf(fields)} as const\n`)
  .join('\n')}`,
}

const isCheck = process.argv.includes('--check')
let stale = 0
for (const [name, text] of Object.entries(outputs)) {
  const file = join(root, 'src/generated', name)
  if (!isCheck) writeFileSync(file, text)
  else if (read(file) !== text) {
    console.error(
      `${relative(process.cwd(), file)} is not what the Lua files make: run node packages/backend-valkey/scripts/build-library.mjs`,
    )
    stale += 1
  }
}
process.exitCode = stale > 0 ? 1 : 0

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function assemble() {
  const names = modules.map((name) => basename(name, '.lua').replaceAll('-', '_'))
  const parts = [`local ${names.join(', ')} = ${names.map(() => '{}').join(', ')}`]
  modules.forEach((name) => {
    parts.push(`do -- ${name}`, compact(name, readFileSync(join(lua, name), 'utf8')), 'end')
  })
  for (const fn of functions) {
    parts.push(
      `entry.register('@PREFIX@', '${fn.name}', {${fn.flags.map((flag) => `'${flag}'`).join(', ')}}, ${fn.repeat === 'request'}, ${luaChecks(fn.args)}, (function() -- ${fn.file}`,
      compact(fn.file, fn.code),
      'end)())',
    )
  }
  return `${parts.join('\n')}\n`
}

/** Without comments and indentation, and with each field's place for its name. Lines stay lines. */
function compact(file, text) {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/^\s+/, '')
        .replace(/^--.*$/, '')
        .replace(/\s+--\s.*$/, ''),
    )
    .join('\n')
    .replaceAll(/\b([XAPFGLWSHVDQB])\.(\w+)/g, (whole, letter, field) => {
      const layout = Object.values(layouts).find((each) => each.letter === letter)
      const place = Object.keys(layout.fields).indexOf(field)
      if (place < 0) throw new Error(`${file}: ${whole} is no field`)
      return String(place + 1)
    })
    .replaceAll(/\n{2,}/g, '\n')
    .trim()
}

function describeFunction({ name, args, reply, meaning }) {
  return `  /** ${meaning} */\n  ${name}: { args: ${args.text}; reply: ${reply} }`
}

function placesOf(fields) {
  const lines = Object.entries(fields).map(
    ([field, meaning], place) => `${meaning === '' ? '' : `  /** ${meaning} */\n`}  ${field}: ${place},`,
  )
  return `{\n${lines.join('\n')}\n}`
}
