/** Graphs with a fan-out, a race, a quorum and a fallback; some are cancelled as a whole. */
import { type FlowId, makePartitionTag, partitionOfFlow } from '@flowfabric/core'
import { allOf, anyOf, defineFlow, quorum } from '@flowfabric/sdk'
import { allFlows, allNodes } from '../../../support/listing.js'
import { nowMs } from '../ledger.js'
import { namespace } from '../names.js'
import type { RoleFactory } from '../role.js'
import type { Basics } from '../tasks.js'

declare module '../ledger.js' {
  interface Facts {
    readonly flowCancel: Answered & { readonly id: FlowId; readonly partition: number }
  }
}

/** A fan-out with a join, a race whose loser is cancelled, a quorum, a node that fails with a fallback behind it. */
function defineGraph({ quick, flaky, hopeless }: Basics) {
  return defineFlow('graph', (f, { width }: { readonly width: number }) => {
    const first = f.node(quick, { ms: 0 }, { name: 'first' })
    const fan = f.after(first).map(
      Array.from({ length: width }, (_, place) => ({ ms: place % 3 })),
      quick,
      { name: 'fan' },
    )
    const joined = f.after(fan).node(flaky, { failures: 1 }, { name: 'joined' })
    const fast = f.after(first).node(quick, { ms: 5 }, { name: 'fast' })
    const slow = f.after(first).node(quick, { ms: 3_000 }, { name: 'slow' })
    const won = f.after(anyOf(fast, slow)).node(quick, { ms: 0 }, { name: 'won' })
    const two = f.after(quorum(2, [fan, won], { letRun: true })).node(quick, { ms: 1 }, { name: 'two' })
    const lost = f.after(two).node(hopeless, undefined, { name: 'lost' })
    f.onFailure(allOf(lost)).node(quick, { ms: 0 }, { name: 'fallback' })
    return { joined }
  })
}

export const flows: RoleFactory = ({ ledger, basics }) => {
  const graph = defineGraph(basics)
  return {
    name: 'flows',
    weight: 10,
    async act({ client, backend, below }) {
      const { partitions } = await backend.maintenance.describe()
      const beganAtMs = nowMs()
      const handle = await client.submit(graph, { width: 1 + below(12) })
      const partition = partitionOfFlow(handle.id, partitions.flow)
      ledger.note('flow', { id: handle.id, partition, beganAtMs, atMs: nowMs() })
      if (below(6) > 0) return
      const cancelledAtMs = nowMs()
      const { outcome } = await handle.cancel()
      if (outcome !== 'cancelled' && outcome !== 'cancelling') return
      ledger.note('flowCancel', { id: handle.id, partition, beganAtMs: cancelledAtMs, atMs: nowMs() })
    },
    async judge({ backend, wrong, lost }) {
      const stored = new Map((await allFlows(backend, namespace)).map((each) => [each.id, each]))
      for (const [id, told] of ledger.flows) {
        const flow = stored.get(id)
        if (flow === undefined)
          lost('flows', makePartitionTag('flow', told.partition), told, `flow ${id} is lost`)
      }
      for (const { id, state, summary } of stored.values()) {
        if (!['completed', 'failed', 'cancelled'].includes(state)) wrong(`flow ${id} is ${state}`)
        else if ((await allNodes(backend, namespace, id)).length !== summary.totalMembers)
          wrong(`flow ${id} has lost members`)
      }
      for (const { id, partition, ...told } of ledger.all('flowCancel')) {
        const state = stored.get(id)?.state
        if (state === undefined || state === 'cancelled') continue
        lost(
          'flow cancels',
          makePartitionTag('flow', partition),
          told,
          `flow ${id} was cancelled, and is ${state}`,
        )
      }
    },
  }
}
