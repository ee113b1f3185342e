import { publicStates, terminalPublicStates } from '@flowfabric/core'
import { until } from '../../support/until.js'
import type { Ledger } from './ledger.js'
import { attendAll } from './load.js'
import { namespace } from './names.js'
import type { Role, Stage } from './role.js'

const isTerminal = (state: string) => (terminalPublicStates as readonly string[]).includes(state)

/** Between two looks, in which people do what they still have to. */
const lookEveryMs = 250

/** Nothing is stuck: whatever the store has comes to an end by itself, and by what people do who are waited for. */
export async function untilAllEnded(
  stage: Pick<Stage, 'backend' | 'client'> | undefined,
  roles: readonly Role[],
  ledger: Ledger,
  withinMs = 60_000,
): Promise<void> {
  if (stage === undefined) throw new Error('no process is left that could end it')
  const { backend, client } = stage
  const staged = { backend, client, below: () => 0 }
  for (const role of roles) await patiently(() => role.close?.(staged))
  let open: string | undefined
  let attendedAtMs = 0
  await until(
    'everything that the store has is ended',
    async () => {
      if (performance.now() - attendedAtMs > lookEveryMs) {
        await attendAll(staged, roles, ledger)
        attendedAtMs = performance.now()
      }
      open = await findOpen(staged, roles).catch(passingText)
      return open === undefined
    },
    withinMs,
  ).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${open} ${await whyOpen(staged)}`)
  })
}

async function findOpen(stage: Stage, roles: readonly Role[]): Promise<string | undefined> {
  const { backend } = stage
  const states = publicStates.filter((state) => !isTerminal(state))
  const filter = { states }
  const { count } = await backend.executions.count({ namespace, filter })
  if (count > 0) {
    const { items } = await backend.executions.list({ namespace, limit: 5, filter })
    return `${count} executions, such as ${JSON.stringify(items)}`
  }
  const live = await backend.flows.list({ namespace, states: ['open', 'cancelling'], limit: 5 })
  if (live.items.length > 0) return `flows, such as ${JSON.stringify(live.items)}`
  const { counts } = await backend.maintenance.describe()
  if (counts.outbox > 0) return `${counts.outbox} entries of the outbox`
  for (const role of roles) {
    const unfinished = await role.unfinished?.(stage)
    if (unfinished !== undefined) return `${role.name}: ${unfinished}`
  }
  return undefined
}

/** Of the first of them, for whoever reads the failure. */
async function whyOpen({ backend, client }: Stage): Promise<string> {
  const states = publicStates.filter((state) => !isTerminal(state))
  const { items } = await backend.executions.list({ namespace, limit: 1, filter: { states } })
  const [first] = items
  return first === undefined ? '' : JSON.stringify(await client.handle(first.id).explain())
}

/** Errors that say themselves that the same call may simply be made again. */
function isPassing(error: unknown): boolean {
  return (error as { readonly retry?: unknown }).retry === 'safe'
}

function passingText(error: unknown): string {
  if (isPassing(error)) return String(error)
  throw error
}

async function patiently(call: () => Promise<void> | undefined): Promise<void> {
  const answers = async () => {
    try {
      await call()
      return true
    } catch (error) {
      return isPassing(error) ? false : Promise.reject(error)
    }
  }
  await until('a store that was killed answers', answers)
}
