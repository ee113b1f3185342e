import { createPostgresBackend } from '@flowfabric/backend-postgres'
import type { ClaimRequest } from '@flowfabric/core'
import { createPartitionChannel } from '../../packages/backend-valkey/src/channel/partition-channel.js'
import { createClaimer } from '../../packages/backend-valkey/src/leases/claimer.js'
import type { Invoke } from '../../packages/backend-valkey/src/library/invoke.js'
import { createContext } from '../../packages/backend-valkey/src/valkey-backend.js'
import type { SqlPool } from './backends.js'

/** Processes that die in the middle of a claim: what they had begun nobody goes on with. */
export interface DyingClaimers {
  /** `turn` says at which moment it dies: each comes in turn. Answers whether it died, or had its claim before. */
  claim(request: ClaimRequest, turn: number): Promise<'died' | 'survived'>
  close(): Promise<void>
}

/** On Valkey: before or after one of the calls that a claim makes. */
export function openDyingOnValkey(settings: Parameters<typeof createContext>[0]): DyingClaimers {
  const { ctx, close } = createContext(settings)
  return {
    close,
    async claim(request, turn) {
      const callsLeft = { count: FIRST_CALLS + (Math.floor(turn / 2) % CALLS_MAX) }
      const isSent = turn % 2 === 1
      const never = new Promise<never>(() => {})
      let die: (word: 'died') => void = () => {}
      const death = new Promise<'died'>((resolve) => {
        die = resolve
      })
      const invoke: Invoke = async (invocation) => {
        callsLeft.count -= 1
        if (callsLeft.count >= 0) return ctx.invoke(invocation)
        if (callsLeft.count === -1 && isSent) await ctx.invoke(invocation).catch(() => {})
        die('died')
        return never
      }
      const channels = new Map<number, ReturnType<typeof createPartitionChannel>>()
      const channel = (partition: number) => {
        const known = channels.get(partition) ?? createPartitionChannel(`fp:${partition}`, invoke)
        channels.set(partition, known)
        return known
      }
      // Known in time, so that its calls are those of the claim itself.
      await ctx.readyMap()
      const claimer = createClaimer({ ...ctx, invoke, channel })
      return Promise.race([death, claimer.claim(request).then(() => 'survived' as const)])
    },
  }
}

/** Each partition is asked what the claim had before. */
const FIRST_CALLS = 2
/** An offer, a quota, a budget, the lease, and what may go before or after them. */
const CALLS_MAX = 6

/** On Postgres: its sessions are cut, about as long after the beginning as a claim takes. */
export function openDyingOnPostgres(
  settings: Parameters<typeof createPostgresBackend>[0] & { readonly connectionString: string },
  pool: SqlPool,
): DyingClaimers {
  const url = new URL(settings.connectionString)
  url.searchParams.set('application_name', MORTAL)
  const backend = createPostgresBackend({ ...settings, connectionString: url.href })
  return {
    close: () => backend.maintenance.close(),
    async claim(request, turn) {
      const claimed = backend.leases.claim(request).then(
        () => 'survived' as const,
        () => 'died' as const,
      )
      await new Promise((resolve) => setTimeout(resolve, turn % 4))
      await pool.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
        MORTAL,
      ])
      return claimed
    },
  }
}

const MORTAL = 'mortal'
