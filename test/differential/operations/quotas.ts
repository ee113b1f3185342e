import {
  type FoundationBackend,
  makePartitionTag,
  type Namespace,
  type PartitionFamily,
  type PartitionTag,
  type QuotaId,
  type QuotaSettings,
} from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import { type Call, handleOn, type LeaseHandles, nameLeases, type World } from '../world.js'
import { quotaKeys } from './demands.js'
import { chooseHolder } from './leases.js'

const malformed = 'no id' as QuotaId

const made: readonly [QuotaSettings, ...QuotaSettings[]] = [
  { label: 'slots', rate: null, concurrency: 1, strategy: 'queue' },
  { label: 'rate', rate: { units: 3, windowMs: 10_000 }, concurrency: null, strategy: 'queue' },
  { label: 'both', rate: { units: 4, windowMs: 60_000 }, concurrency: 2, strategy: 'drop_new' },
  { label: 'slots', rate: null, concurrency: 1, strategy: 'cancel_oldest' },
]

/** One that was made, or could be; now and then one that nobody makes. */
export function chooseQuota(c: Chooser, { quotas }: World): QuotaId {
  if (c.rarely(15)) return quotas[2]
  return quotas[c.below(2)] ?? quotas[0]
}

const chooseNamespace = (c: Chooser, world: World) => (c.rarely(10) ? world.foreign : world.namespace)

export function create(c: Chooser, world: World): Call {
  const quotaId = c.rarely(12) ? malformed : (world.quotas[c.below(2)] ?? world.quotas[0])
  // Another namespace asks for what is taken already.
  const isThere = world.model.store.quotas.has(quotaId)
  const namespace = isThere ? chooseNamespace(c, world) : world.namespace
  const params = { ...c.of(made), namespace, quotaId }
  return {
    text: `quotas.create ${JSON.stringify(params)}`,
    on: (backend) => backend.quotas.create(params),
  }
}

export function update(c: Chooser, world: World): Call {
  const settings = {
    ...(c.rarely(2) ? { concurrency: c.of([1, 2, null, 3]) } : {}),
    ...(c.rarely(2)
      ? {
          rate: c.of([
            { units: 2, windowMs: 30_000 },
            null,
            { units: 5, windowMs: 999 },
            { units: 3, windowMs: 10_000 },
          ]),
        }
      : {}),
    ...(c.rarely(3) ? { strategy: c.of(['queue', 'drop_new', 'cancel_oldest'] as const) } : {}),
    ...(c.rarely(15) ? { concurrency: 0 } : {}),
  }
  const params = { namespace: chooseNamespace(c, world), quotaId: chooseQuota(c, world), settings }
  return {
    text: `quotas.update ${params.quotaId} ${JSON.stringify(settings)}`,
    on: async (backend) => {
      const { quota, ...answer } = await backend.quotas.update(params)
      return { ...answer, quota: withoutWaiting(quota) }
    },
  }
}

/** Who waits is woken in the background, and may be by the time of the answer. */
export const withoutWaiting = <Kept extends { readonly waiting: number }>(kept: Kept) => ({
  ...kept,
  waiting: null,
})

export function get(c: Chooser, world: World): Call {
  const params = {
    namespace: chooseNamespace(c, world),
    quotaId: chooseQuota(c, world),
    key: c.of(quotaKeys),
  }
  return {
    text: `quotas.get ${params.quotaId} of '${params.key}'`,
    on: (backend) => backend.quotas.get(params),
  }
}

export function list(c: Chooser, world: World): Call {
  return listed(c, 'quotas', (backend, page) => backend.quotas.list({ namespace: world.namespace, ...page }))
}

/** All pages. What one moment brought is in no promised order. */
export function listed(
  c: Chooser,
  what: 'quotas' | 'budgets',
  read: (
    backend: FoundationBackend,
    page: { readonly limit: number; readonly cursor: string | undefined },
  ) => Promise<{ readonly items: readonly { readonly id: string }[]; readonly nextCursor: string | null }>,
): Call {
  const limit = c.rarely(6) ? 0 : 1 + c.below(2)
  return {
    text: `${what}.list by ${limit}`,
    on: async (backend) => {
      const items: { readonly id: string }[] = []
      let cursor: string | undefined
      do {
        const page = await read(backend, { limit, cursor })
        items.push(...page.items)
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      return { items: items.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
    },
  }
}

const holderKeys: readonly [string, string] = ['mine', 'own']

/** Items of a batch are carried out in no promised order, so there is one. */
export function acquire(c: Chooser, world: World): Call {
  const { lease, scoped, use } = chooseUse(c, world)
  const cost = c.rarely(3) ? { cost: c.of([2, 0]) } : {}
  return {
    text: `quotas.acquire ${nameLeases([lease])} ${JSON.stringify({ ...use, ...cost })}`,
    on: (backend, side) =>
      backend.quotas.acquire({ ...scoped, items: [{ handle: handleOn(side, lease), ...use, ...cost }] }),
  }
}

export function release(c: Chooser, world: World): Call {
  const { lease, scoped, use } = chooseHeld(c, world) ?? chooseUse(c, world)
  return {
    text: `quotas.release ${nameLeases([lease])} ${JSON.stringify(use)}`,
    on: (backend, side) =>
      backend.quotas.release({ ...scoped, items: [{ handle: handleOn(side, lease), ...use }] }),
  }
}

interface Chosen {
  readonly lease: LeaseHandles | undefined
  readonly use: { readonly quotaId: QuotaId; readonly key: string; readonly holderKey: string }
  readonly scoped: { readonly namespaces: readonly Namespace[] }
}

/** Mostly what was taken by hand and is held. */
function chooseHeld(c: Chooser, world: World): Chosen | undefined {
  const held = [...world.model.store.quotas.values()].flatMap(({ id, keys }) =>
    [...keys].flatMap(([key, { holders }]) =>
      [...holders.values()].flatMap(({ holderKey, executionId }) =>
        holderKey === null ? [] : [{ executionId, use: { quotaId: id, key, holderKey } }],
      ),
    ),
  )
  const chosen = c.rarely(3) ? undefined : c.among(held)
  if (chosen === undefined) return undefined
  const lease = world.handles.findLast(({ executionId }) => executionId === chosen.executionId)
  return { lease, use: chosen.use, scoped: { namespaces: [chooseNamespace(c, world)] } }
}

function chooseUse(c: Chooser, world: World): Chosen {
  const running = world.handles.filter(
    ({ executionId }) =>
      executionId !== null &&
      world.model.store.executions.get(executionId)?.state.lifecyclePhase === 'active',
  )
  const lease = c.rarely(3) ? chooseHolder(c, world) : (c.among(running) ?? chooseHolder(c, world))
  const use = { quotaId: chooseQuota(c, world), key: c.of(quotaKeys), holderKey: c.of(holderKeys) }
  return { lease, use, scoped: { namespaces: [chooseNamespace(c, world)] } }
}

/** What `admission_unblocker` and `budget_unblocker` do. Who was woken already, by whom, is each store's own. */
export const wakeParked =
  (family: 'quota' | 'budget') =>
  (c: Chooser, world: World): Call => {
    const max = c.rarely(8) ? 0 : 500
    return {
      text: `quotas.wakeParked of ${family} by ${max}`,
      on: async (backend) => {
        await scan(world, family, (partition) => backend.quotas.wakeParked({ partition, max }))
        return { outcome: 'passed' }
      },
    }
  }

/** What `quota_reconciler` and `budget_reconciler` do: whatever was done, there is nothing to repair. */
export const reconcile =
  (family: 'quota' | 'budget') =>
  (c: Chooser, world: World): Call => {
    const max = c.rarely(8) ? 0 : 500
    return {
      text: `${family}s.reconcile by ${max}`,
      on: async (backend) => {
        const found: unknown[] = []
        await scan(world, family, async (partition) => {
          const role = family === 'quota' ? backend.quotas : backend.budgets
          found.push(...(await role.reconcile({ partition, max })).items)
        })
        return { items: found }
      },
    }
  }

export async function scan<Answer>(
  world: World,
  family: PartitionFamily,
  look: (partition: PartitionTag) => Promise<Answer>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  for (let index = 0; index < world.model.store.partitions[family]; index += 1)
    answers.push(await look(makePartitionTag(family, index)))
  return answers
}
