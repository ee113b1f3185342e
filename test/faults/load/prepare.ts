import { type FoundationBackend, parseLaneId } from '@flowfabric/core'
import type { Received } from '../../support/receiver.js'
import type { Ledger } from './ledger.js'
import { namespace } from './names.js'
import type { Role, RoleFactory, Stage } from './role.js'
import { cap, cappedLane, createResults, defineBasics, lane } from './tasks.js'

/** Few, so that the load meets in them. */
export const partitions = { flow: 8, budget: 1, quota: 2 }

/** Where webhooks deliver to, and what has come there. */
interface Hook {
  readonly url: string
  readonly received: readonly Received[]
}

export function createRoles(
  factories: readonly RoleFactory[],
  ledger: Ledger,
  { url, received }: Hook,
): readonly Role[] {
  const result = createResults(ledger)
  const own = { ledger, result, basics: defineBasics(result), hookUrl: url, received: () => received }
  return factories.map((factory) => factory(own))
}

/** Again and again, as processes start. */
export async function prepareRoles(
  roles: readonly Role[],
  { backend, client }: Pick<Stage, 'backend' | 'client'>,
): Promise<void> {
  for (const role of roles) await role.prepare?.({ backend, client, below: () => 0 })
}

export async function configureLanes({ lanes }: FoundationBackend): Promise<void> {
  const configure = (name: string, more: object) => {
    const settings = { shards: 8, eventLevel: 'all' as const, ...more }
    return lanes.configure({ namespace, lane: parseLaneId(name), settings })
  }
  await configure(lane, {})
  await configure(cappedLane, { concurrency: cap })
}
