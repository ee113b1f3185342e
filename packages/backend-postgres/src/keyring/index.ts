import {
  type AddSigningKey,
  checkAddSigningKey,
  checkRetireSigningKey,
  engineError,
  type KeyringOperations,
  limits,
  type RetireSigningKey,
  type SigningKey,
  tooManyRecords,
} from '@flowfabric/core'
import type { PostgresContext } from '../db/context.js'

interface SigningKeyRow {
  readonly id: string
  readonly fingerprint: string
  readonly signs_from: number
  readonly retired_at: number | null
  readonly verifies_until: number | null
}

const columns = 'id, fingerprint, signs_from, retired_at, verifies_until'

/** The signing keys of the deployment: ids, times and fingerprints. */
export function createKeyring(ctx: PostgresContext): KeyringOperations {
  return {
    async list() {
      const rows = await ctx.db.query<SigningKeyRow>(
        `select ${columns} from ff.signing_key order by signs_from, id`,
      )
      return { outcome: 'listed', keys: rows.map(toSigningKey) }
    },
    add: (params) => addKey(ctx, params),
    retire: (params) => retireKey(ctx, params),
  }
}

async function addKey(ctx: PostgresContext, params: AddSigningKey) {
  checkAddSigningKey(params)
  const { keyId, fingerprint, signsFromMs } = params
  const [added] = await ctx.db.call<SigningKeyRow>(
    `insert into ff.signing_key (id, fingerprint, signs_from)
       select $1, $2, coalesce($3::bigint, ff.now_ms()) where (select count(*) from ff.signing_key) < $4::integer
     on conflict (id) do nothing returning ${columns}`,
    [keyId, fingerprint, signsFromMs ?? null, limits.recordsMax],
  )
  if (added !== undefined) return { outcome: 'added' as const, key: toSigningKey(added) }
  // Rows never go, so what was in the way is there.
  const [known] = await ctx.db.query<SigningKeyRow>(`select ${columns} from ff.signing_key where id = $1`, [
    keyId,
  ])
  if (known === undefined) throw tooManyRecords('signing keys')
  if (known.fingerprint === fingerprint) return { outcome: 'duplicate' as const, key: toSigningKey(known) }
  throw engineError('signing_key_reused', `The id ${keyId} was used for another signing key`)
}

async function retireKey(ctx: PostgresContext, params: RetireSigningKey) {
  checkRetireSigningKey(params)
  const { keyId, verifyUntilMs } = params
  const [row] = await ctx.db.call<SigningKeyRow>(
    `update ff.signing_key set retired_at = coalesce(retired_at, ff.now_ms()),
       verifies_until = least(verifies_until, $2::bigint)
     where id = $1 returning ${columns}`,
    [keyId, verifyUntilMs],
  )
  if (row === undefined) throw engineError('signing_key_not_found', `There is no signing key ${keyId}`)
  return { outcome: 'retired' as const, key: toSigningKey(row) }
}

function toSigningKey(row: SigningKeyRow): SigningKey {
  return {
    keyId: row.id,
    fingerprint: row.fingerprint,
    signsFromMs: row.signs_from,
    retiredAtMs: row.retired_at,
    verifiesUntilMs: row.verifies_until,
  }
}
