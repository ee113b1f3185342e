import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** The cases that pin down routing, dispatch, joins, sibling cancel and projection: each is a test of this name. */
const cases = [
  'execution id carries its partition',
  'solo execution follows its lane',
  'strict partition tags',
  'an id outside the configured count is refused at submit',
  'one count for flows and executions',
  'swap at the root',
  'fan-out advances once',
  'leaf is advanced zero',
  'solo is advanced zero',
  'unknown entry is noop',
  'two dispatchers, one entry',
  'dispatcher killed half-way',
  'deep skip chain',
  'bound reached goes to the outbox',
  'replay against a late completion',
  'non-terminal upstream decides nothing',
  "corrupt edge doesn't stop its neighbours",
  'read failure fails closed',
  'decision table',
  'outcome buckets',
  'all_of end to end',
  'any_of first success',
  'quorum headroom',
  'stored policy of a newer version',
  'downstream already terminal',
  'skip is a full transition',
  'dependency never erases another block',
  'three attempts, 5 and 10 ms',
  'no lock across hops',
  'join of 100 that complete together',
  'named upstream results',
  'atomic bookkeeping',
  'dispatcher drains',
  'reconciler: stale',
  'reconciler: completed drain',
  'reconciler: no-op',
  'reconciler: poison and bounds',
  'derived states, one case each',
  'authoritative state untouched',
  'live set',
  'scan results and isolation',
  'dependency reconciler finds nothing when healthy and everything when not',
  'random DAGs against the oracle',
]

/** What systems of this kind fell into, as far as executions, leases, flows and the feed can: each is a test of this name. */
const hazards = [
  'a member can be claimed before its edges exist',
  'a group decides before all its edges are known',
  'an edge added after its upstream ended waits for a slow reconciler, or for ever',
  'an expired lease stays in the expiry index and hides later ones (head of line)',
  "a dead worker's execution is only marked expired; someone must ask for a reclaim",
  'skipping or cancelling a child leaves its lease, its index entries and its timers behind',
  'replay does not reopen joins, so flow members can never run again',
  'replay races a completion message and a live child is skipped',
  'counters in a join are bumped twice by a duplicate event',
  'an outbox event is marked dispatched before its work is done; a crash half-way loses the rest',
  'a cascade runs in one transaction or one script over the whole subgraph',
  'a delayed resume never becomes due, because one field was not written',
  'concurrency slots leak and a queue freezes',
  'a blocked execution needs an operator to unblock it',
  '`NOTIFY` inside hot transactions serialises commits',
  'a flow with more than 50 members shows a random sample as its state',
  'a change-feed cursor skips rows whose transaction committed late',
  "an operator's cancel or an expiry emits no completion, and the downstream never learns",
  'two loops race on the same expired lease with opposite effect',
  'work for a scarce capability waits minutes behind work nobody can do',
  'time fields overloaded (a delay kept in the deadline column)',
  'tests prepared rows by hand, so nobody saw that the public path did not work',
]

const testFiles = ['test', 'packages'].flatMap((folder) => filesBelow(join(root, folder)))
const titles = testFiles.flatMap((file) => titlesIn(readFileSync(file, 'utf8')))

describe('the suite has its named tests', () => {
  it.each([...cases, ...hazards])('%s', (name) => {
    // A case of several parts says after its name which one it is.
    const found = titles.filter((title) => title === name || new RegExp(`^${quote(name)}[:,] `).test(title))
    expect(found.length).toBeGreaterThan(0)
  })

  it('tests prepared rows by hand, so nobody saw that the public path did not work', () => {
    const offenders = testFiles
      .filter((file) => /test\/(conformance|differential|oracle)\//.test(file))
      // The order of a feed under a late commit is made with a session of its own, in `test/concurrency`.
      .filter((file) =>
        /\b(insert into|update|delete from) [$`'"]?\{?[a-z]*\.?(execution|flow|edge)/i.test(
          readFileSync(file, 'utf8'),
        ),
      )
    expect(offenders).toEqual([])
  })
})

function titlesIn(text: string): string[] {
  return [
    ...text.matchAll(/\b(?:it|test|describe)(?:\.each\([\s\S]*?\))?\(\s*(['"`])((?:\\.|(?!\1).)*)\1/g),
  ].map(([, , title]) => (title ?? '').replaceAll(/\\(['"`])/g, '$1'))
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return []
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.name.endsWith('.test.ts') ? [path] : []
  })
}

function quote(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
