/**
 * Reads the header of a function's file:
 *
 *     --- Extends leases; never shortens one.
 *     -- @flags allow-oom
 *     -- @brings nothing
 *     -- @args namespaces: string[], items: [id: string, lease: string, epoch: int, ttlMs: int][]
 *     -- @reply [code: string, expiresMs: number][]
 *     -- @errors corruption schema_mismatch
 *
 * `@repeat request` says that a repeat after a lost answer is answered by the id of the request, since the state that the
 * first call left would answer otherwise; without it a repeat answers the same by itself.
 *
 * `@brings` says what a writing function may bring about that its caller is told of, so that the answer waits where the option
 * `durability` asks for that: `submit` (work is accepted), `terminal` (an execution or flow has ended), `record` (anything else that
 * is kept for whoever asked), `nothing` (what is done again when it was lost: leases, wake-ups, copies, the work of scanners), or
 * `caller` where only the call can tell.
 *
 * Types are written as in TypeScript: `string`, `int` (a whole number ≥ 0), `number`, `boolean`, `unknown`, lists and tuples.
 * The reply is TypeScript's business alone. The function's name is its file's.
 */
import { parseArgs } from './lua-types.mjs'

const knownFlags = new Set(['no-writes', 'allow-oom'])
const knownBrought = new Set(['submit', 'terminal', 'record', 'nothing', 'caller'])
const knownRepeats = new Set(['natural', 'request'])

export function readHeader(file, text) {
  const name = file.replace(/\.lua$/, '').replaceAll(/[/-]/g, '_')
  const header = []
  const lines = text.split('\n')
  while (lines[0]?.startsWith('--')) header.push(lines.shift().replace(/^--+ ?/, ''))
  const fields = { meaning: '' }
  let at = 'meaning'
  for (const line of header) {
    const tag = /^@(\w+)\s*(.*)$/.exec(line)
    if (tag) {
      at = tag[1]
      fields[at] = tag[2]
    } else fields[at] = `${fields[at]} ${line}`.trim()
  }
  for (const field of ['args', 'reply', 'errors'])
    if (fields[field] === undefined) throw new Error(`${file}: its header has no @${field}`)
  const flags = (fields.flags ?? '').split(/\s+/).filter(Boolean)
  for (const flag of flags) if (!knownFlags.has(flag)) throw new Error(`${file}: unknown flag ${flag}`)
  const { repeat = 'natural' } = fields
  if (!knownRepeats.has(repeat)) throw new Error(`${file}: unknown repeat ${repeat}`)
  if (repeat === 'request' && flags.includes('no-writes'))
    throw new Error(`${file}: a reading call keeps no answer`)
  const { brings } = fields
  if (flags.includes('no-writes') ? brings !== undefined : !knownBrought.has(brings))
    throw new Error(`${file}: a writing call says what it @brings, a reading one does not`)
  return {
    file,
    name,
    flags,
    brings,
    repeat,
    meaning: fields.meaning,
    args: parseArgs(file, fields.args),
    reply: fields.reply.replaceAll(/\bint\b/g, 'number'),
    errors: fields.errors.split(/\s+/).filter(Boolean),
    code: lines.join('\n'),
  }
}
