import { PGlite } from '@electric-sql/pglite'
import {
  attemptStates,
  type BlockingReason,
  backoffMs,
  type DelayReason,
  defaultRetryPolicy,
  eligibilityStates,
  type LifecyclePhase,
  lifecyclePhases,
  publicStateOf,
  reclaimBackoffMs,
  runnableVector,
  type StateVector,
  terminalOutcomes,
} from '@flowfabric/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { migrate } from '../migrations/migrate.js'
import { createContext } from '../postgres-backend.js'

let pglite: PGlite
let opened: ReturnType<typeof createContext>

beforeAll(async () => {
  pglite = await PGlite.create()
  opened = createContext({ pglite })
  await migrate(opened.ctx.db)
})
afterAll(async () => {
  await opened.close()
  await pglite.close()
})

const query = <Row extends object>(
  text: string,
  values: readonly (string | number | boolean | null)[] = [],
) => opened.ctx.db.query<Row>(text, values)

describe('what SQL derives is what core derives', () => {
  it('blocks of a runnable execution', async () => {
    const reasons: readonly DelayReason[] = ['start_time', 'retry_backoff', 'reclaim_backoff', 'resume_delay']
    for (const dependencies of [true, false]) {
      for (const held of [true, false]) {
        for (const notBeforeMs of [null, 99, 100, 101]) {
          for (const delayReason of reasons) {
            const [row] = await query<{ eligibility: string; reason: string; eligible: boolean }>(
              `select ff.runnable_eligibility($1, $2, $3::bigint, 100) as eligibility,
                 ff.runnable_reason($1, $2, $3::bigint, $4::ff.delay_reason, 100) as reason,
                 ff.is_eligible($1, $2, $3::bigint, 100) as eligible`,
              [dependencies, held, notBeforeMs, delayReason],
            )
            const vector = runnableVector(
              { dependencies, held, notBeforeMs, delayReason },
              100,
              'pending_first_attempt',
            )
            expect(row).toEqual({
              eligibility: vector.eligibilityState,
              reason: vector.blockingReason,
              eligible: vector.eligibilityState === 'eligible_now',
            })
          }
        }
      }
    }
  })

  it('the public state of every vector that the constraints let in', async () => {
    await query(`select ff.ensure_route('default', 'lane', 'kind', '{}', false, 10)`)
    const reasons: Partial<Record<LifecyclePhase, BlockingReason>> = {
      runnable: 'waiting_for_worker',
      suspended: 'waiting_for_signal',
    }
    const vectors: StateVector[] = []
    for (const lifecyclePhase of lifecyclePhases)
      for (const eligibilityState of eligibilityStates)
        for (const terminalOutcome of terminalOutcomes)
          for (const attemptState of attemptStates)
            vectors.push({
              lifecyclePhase,
              eligibilityState,
              terminalOutcome,
              attemptState,
              ownershipState: lifecyclePhase === 'active' ? 'leased' : 'unowned',
              blockingReason: reasons[lifecyclePhase] ?? 'none',
            })
    const rows = await query<{ i: number; public_state: string }>(
      `with vector as (
         select * from json_to_recordset($1::json) as v (i integer, "lifecyclePhase" ff.lifecycle_phase, "eligibilityState" ff.eligibility_state,
           "terminalOutcome" ff.terminal_outcome, "attemptState" ff.attempt_state, "ownershipState" ff.ownership_state,
           "blockingReason" ff.blocking_reason)
         where ("lifecyclePhase" = 'terminal') = ("terminalOutcome" <> 'none') and ("lifecyclePhase" = 'runnable') = ("eligibilityState" <> 'not_applicable')
           and ("lifecyclePhase" = 'active') = ("attemptState" = 'running_attempt') and ("lifecyclePhase" = 'terminal') = ("attemptState" = 'attempt_terminal')
           and ("lifecyclePhase" <> 'suspended' or "attemptState" = 'attempt_interrupted')
       )
       insert into ff.execution (partition_key, id, lane_id, route_id, lifecycle_phase, eligibility_state, blocking_reason, terminal_outcome,
         attempt_state, ownership_state, public_state, score, created_at, terminal_at, lease_id, priority)
       select 0, gen_random_uuid(), l.id, r.id, "lifecyclePhase", "eligibilityState", "blockingReason", "terminalOutcome", "attemptState",
         "ownershipState", ff.public_state_of("lifecyclePhase", "terminalOutcome", "eligibilityState", "attemptState"),
         0, 0, case when "lifecyclePhase" = 'terminal' then 0 end, gen_random_uuid(), i
       from vector, ff.lane l join ff.route r on r.lane_id = l.id
       returning priority as i, public_state`,
      [JSON.stringify(vectors.map((vector, i) => ({ ...vector, i })))],
    )
    expect(rows.length).toBeGreaterThan(40)
    for (const { i, public_state } of rows) {
      const vector = vectors[i]
      expect(vector && publicStateOf(vector)).toBe(public_state)
    }
  })

  it('the default retry policy', async () => {
    const [row] = await query<{ policy: unknown }>('select ff.default_retry() as policy')
    expect(row?.policy).toEqual(defaultRetryPolicy)
  })

  it('the pause before a retry', async () => {
    const backoffs = [
      defaultRetryPolicy.backoff,
      { kind: 'fixed', initialMs: 700, multiplier: 9, maxMs: 5_000, jitter: false },
      { kind: 'fixed', initialMs: 7_000, multiplier: 1, maxMs: 5_000, jitter: true },
      { kind: 'exponential', initialMs: 0, multiplier: 2, maxMs: 5_000, jitter: false },
      { kind: 'exponential', initialMs: 3, multiplier: 1.5, maxMs: 100_000, jitter: false },
      { kind: 'exponential', initialMs: 1_000, multiplier: 1, maxMs: 60_000, jitter: true },
      { kind: 'exponential', initialMs: 1, multiplier: 1_000, maxMs: 315_576_000_000, jitter: false },
    ] as const
    for (const backoff of backoffs) {
      for (const retry of [1, 2, 3, 7, 40, 999]) {
        for (const random of [0, 0.25, 0.999]) {
          const [row] = await query<{ pause: number }>(
            'select ff.backoff_ms($1::jsonb, $2::integer, $3::double precision) as pause',
            [JSON.stringify(backoff), retry, random],
          )
          expect(row?.pause).toBe(backoffMs(backoff, retry, random))
        }
      }
    }
  })

  it('the pause before a reclaim', async () => {
    for (const reclaim of [1, 2, 3, 8, 9, 20, 1_000]) {
      for (const random of [0, 0.5, 0.999]) {
        const [row] = await query<{ pause: number }>(
          'select ff.reclaim_backoff_ms($1::integer, $2::double precision) as pause',
          [reclaim, random],
        )
        expect(row?.pause).toBe(reclaimBackoffMs(reclaim, random))
      }
    }
  })
})
