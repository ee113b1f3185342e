import { type FlowSummary, must, type ProjectionItem, publicStates } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { asList } from '../library/as-list.js'
import { publicStateLetters } from '../records/letters.js'
import { isOneItems } from './faults.js'
import type { Counted } from './projection.js'

/** Writes what was counted: all in one step, or each flow for itself when one of them can't be written. */
export async function writeSummaries(
  ctx: ValkeyContext,
  partition: number,
  counted: readonly Counted[],
): Promise<readonly ProjectionItem[]> {
  const toWrite = counted.filter(({ what }) => what === 'counted' || what === 'gone')
  const items = await writeGuarded(ctx, partition, toWrite)
  return counted.map((each): ProjectionItem => {
    const { flow } = each
    if (each.what === 'unchanged') return { outcome: 'unchanged', flowId: flow.id }
    if (each.what === 'error') return { outcome: 'error', flowId: flow.id, code: each.code }
    return must(items.get(flow.id), `what became of flow ${flow.id}`)
  })
}

type Items = Map<string, ProjectionItem>

async function writeGuarded(ctx: ValkeyContext, partition: number, list: readonly Counted[]): Promise<Items> {
  if (list.length === 0) return new Map()
  try {
    return await write(ctx, partition, list)
  } catch (fault) {
    if (!isOneItems(fault)) throw fault
    const [only] = list
    if (list.length === 1 && only !== undefined) {
      return new Map([[only.flow.id, { outcome: 'error', flowId: only.flow.id, code: fault.code }]])
    }
    const items: Items = new Map()
    for (const each of list) {
      for (const [id, item] of await writeGuarded(ctx, partition, [each])) items.set(id, item)
    }
    return items
  }
}

async function write(ctx: ValkeyContext, partition: number, list: readonly Counted[]): Promise<Items> {
  const bytes: Uint8Array[] = []
  const args = list.map((each): [string, number, number, unknown] => {
    if (each.what !== 'counted') return [each.flow.id, 0, 0, 0]
    const place = isTold(each) ? 0 : bytes.push(Buffer.from(JSON.stringify(each.summary)))
    return [each.flow.id, each.change, place, each.hasDrifted ? packCounts(each.summary) : 0]
  })
  const { reply } = await ctx.invoke({
    name: 'resolution_project_write',
    tag: `fp:${partition}`,
    args: [args],
    bytes,
  })
  const words = asList(reply)
  return new Map(
    list.map((each, place): [string, ProjectionItem] => {
      const flowId = each.flow.id
      if (words[place] === 'gone') return [flowId, { outcome: 'gone', flowId }]
      if (each.what !== 'counted' || isTold(each)) return [flowId, { outcome: 'unchanged', flowId }]
      return [flowId, { outcome: 'projected', flowId, summary: each.summary, drift: each.hasDrifted }]
    }),
  )
}

/** The newest summary says the same. */
function isTold({ stored, summary, hasDrifted }: Extract<Counted, { readonly what: 'counted' }>): boolean {
  return stored !== null && !hasDrifted && fingerprint(stored) === fingerprint(summary)
}

function fingerprint({ lastSummaryUpdateAtMs: _, counts, ...rest }: FlowSummary): string {
  const entries = [...Object.entries(rest), ...Object.entries(counts)]
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** As the flow keeps them: letters of the states that there are. */
function packCounts({ counts }: FlowSummary): Readonly<Record<string, number>> {
  const present = publicStates.filter((state) => counts[state] > 0)
  return Object.fromEntries(present.map((state) => [publicStateLetters.write(state), counts[state]]))
}
