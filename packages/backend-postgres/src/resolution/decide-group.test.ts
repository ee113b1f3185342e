import { PGlite } from '@electric-sql/pglite'
import {
  decideGroup,
  type GroupCounters,
  type JoinPolicy,
  nodeFate,
  type OnDecided,
  type RunOn,
  runOns,
  siblingCancelReason,
} from '@flowfabric/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toJoin } from '../flows/group-row.js'
import { createPostgresBackend } from '../postgres-backend.js'

const N_MAX = 6

interface Row extends GroupCounters {
  readonly kind: string | null
  readonly k: number | null
  readonly on_decided: OnDecided | null
  readonly run_on: string
  readonly decision: 'pending' | 'satisfied' | 'impossible'
  readonly reason_satisfied: string | null
  readonly reason_impossible: string | null
  readonly fate_satisfied: string
  readonly fate_impossible: string
}

let pglite: PGlite
let rows: readonly Row[]

beforeAll(async () => {
  pglite = await PGlite.create()
  const backend = createPostgresBackend({ pglite, schema: 'decisions' })
  await backend.maintenance.prepare()
  await backend.maintenance.close()
  const answer = await pglite.query<Row>(
    `with counters as (
           select n, s as succeeded, f as failed, sk as skipped
           from generate_series(0, ${N_MAX}) n, generate_series(0, ${N_MAX}) s, generate_series(0, ${N_MAX}) f, generate_series(0, ${N_MAX}) sk
           where s + f + sk <= n
         ), policies as (
           select kind, k, on_decided from (values ('all_of'), ('any_of'), ('quorum'), ('by_vote'), (null)) p(kind),
             (values (null::integer), (0), (1), (2), (3), (4), (5), (6), (7)) q(k),
             (values ('cancel_remaining'), ('let_run'), (null)) o(on_decided)
           where k is null or kind = 'quorum'
         )
         select c.*, p.*, r.run_on,
           decisions.decide_group(p.kind, p.k, p.on_decided, r.run_on, c.n, c.succeeded, c.failed, c.skipped) as decision,
           decisions.sibling_cancel_reason(p.kind, p.on_decided, 'satisfied') as reason_satisfied,
           decisions.sibling_cancel_reason(p.kind, p.on_decided, 'impossible') as reason_impossible,
           decisions.node_fate(r.run_on, 'satisfied') as fate_satisfied, decisions.node_fate(r.run_on, 'impossible') as fate_impossible
         from counters c, policies p,
           (values ('groupSatisfied'), ('groupImpossible'), ('always'), ('onFullMoon')) r(run_on)`,
  )
  rows = answer.rows
}, 60_000)

afterAll(() => pglite.close())

test('the SQL decides every group of up to six upstreams as core does, and none that it does not know', () => {
  expect(rows.length).toBeGreaterThan(10_000)
  const seen = new Set<string>()
  for (const row of rows) {
    const join = toJoin({
      policy_kind: row.kind,
      k: row.k,
      on_decided: row.on_decided,
      run_on: row.run_on,
      settled: false,
      cancel_shared: false,
      ancestors: 'cancel',
      n: row.n,
      succeeded: row.succeeded,
      failed: row.failed,
      skipped: row.skipped,
      state: 'pending',
      released: false,
      cancel_reason: null,
      cancel_pending: false,
    })
    const expected = join === null ? 'pending' : decideGroup(join, row)
    seen.add(`${row.kind} ${expected}`)
    expect(row.decision, JSON.stringify(row)).toBe(expected)
  }
  for (const kind of ['all_of', 'any_of', 'quorum', 'null']) {
    for (const decision of ['pending', 'satisfied', 'impossible'])
      expect(seen).toContain(`${kind} ${decision}`)
  }
  expect([...seen].filter((each) => each.startsWith('by_vote'))).toEqual(['by_vote pending'])
})

test('the SQL says as core does what a decision means to the siblings and to the node', () => {
  for (const row of rows) {
    if (!isRunOn(row.run_on)) continue
    const policy = policyOf(row)
    if (policy === undefined) continue
    expect(row.reason_satisfied).toBe(siblingCancelReason(policy, 'satisfied'))
    expect(row.reason_impossible).toBe(siblingCancelReason(policy, 'impossible'))
    const join = {
      policy,
      runOn: row.run_on,
      settled: false,
      cancelShared: false,
      ancestors: 'cancel' as const,
    }
    expect(row.fate_satisfied).toBe(nodeFate(join, 'satisfied'))
    expect(row.fate_impossible).toBe(nodeFate(join, 'impossible'))
  }
})

/** The policy as core has it; absent fields are the defaults. */
function policyOf({ kind, k, on_decided }: Row): JoinPolicy | undefined {
  switch (kind ?? 'all_of') {
    case 'all_of':
      return { kind: 'all_of', onImpossible: on_decided ?? 'let_run' }
    case 'any_of':
      return { kind: 'any_of', onSatisfied: on_decided ?? 'cancel_remaining' }
    case 'quorum':
      return { kind: 'quorum', k: k ?? 1, onSatisfied: on_decided ?? 'cancel_remaining' }
    default:
      return undefined
  }
}

function isRunOn(text: string): text is RunOn {
  return (runOns as readonly string[]).includes(text)
}
