import {
  activeVector,
  defaultNamespace,
  defaultRetryPolicy,
  type FlowNodeView,
  makeExecutionId,
  mintEdgeId,
  type PublicState,
  parseKind,
  parseLaneId,
} from '@flowfabric/core'
import { expect, it } from 'vitest'
import { renderFlowTree } from './flow-tree.js'

const NOW_MS = 100_000
const idOf = (name: string) => makeExecutionId(1, `00000000-0000-7000-8000-${name.padStart(12, '0')}`)

function node(
  name: string,
  after: readonly string[],
  publicState: PublicState,
  fields: object = {},
): FlowNodeView {
  const id = idOf(name)
  return {
    execution: {
      id,
      namespace: defaultNamespace,
      flowId: null,
      parent: null,
      name: `node ${name}`,
      kind: parseKind('x'),
      lane: parseLaneId('default'),
      capabilities: [],
      priority: 0,
      tags: {},
      retry: defaultRetryPolicy,
      budgets: [],
      quotas: [],
      timeouts: {},
      state: activeVector,
      publicState,
      generation: 1,
      epoch: 0,
      attemptCount: 0,
      retryCount: 0,
      reclaimCount: 0,
      replayCount: 0,
      held: false,
      createdAtMs: 0,
      firstEligibleAtMs: null,
      readyAtMs: null,
      notBeforeMs: null,
      delayReason: null,
      deadlineAtMs: null,
      lease: null,
      cancelRequested: null,
      cancelCause: null,
      failure: null,
      progress: null,
      terminalAtMs: null,
      ...fields,
    },
    incoming: after.map((from) => ({
      id: mintEdgeId(),
      from: idOf(from),
      to: id,
      as: null,
      state: 'pending',
    })),
    group: null,
  }
}

it('draws each node once, under its first upstream, and names the others', () => {
  const lines = renderFlowTree(
    [
      node('a', [], 'completed', { firstEligibleAtMs: 1_000, terminalAtMs: 3_500, attemptCount: 2 }),
      node('b', ['a'], 'active', {
        lease: { startedAtMs: 40_000 },
        progress: { percent: 30, message: null },
      }),
      node('c', ['a'], 'cancelled', { cancelCause: 'sibling' }),
      node('d', ['b', 'c'], 'waiting_children'),
      node('e', [], 'failed', { failure: { category: 'error', message: 'boom' } }),
    ],
    NOW_MS,
  )
  expect(lines).toEqual([
    '✔ node a  completed  attempt 2  2.5s',
    '├─ ▶ node b  active  1m0s  30%',
    '│  └─ ○ node d  waiting_children  also after node c',
    '└─ ⊘ node c  cancelled (sibling)',
    '✘ node e  failed  error: boom',
  ])
})

it('draws a chain deeper than any stack', () => {
  const chain = Array.from({ length: 12_000 }, (_, index) =>
    node(String(index), index === 0 ? [] : [String(index - 1)], 'waiting'),
  )
  expect(renderFlowTree(chain, NOW_MS)).toHaveLength(12_000)
})
