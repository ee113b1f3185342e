import type { Execution, FlowNodeView } from '@flowfabric/core'
import { formatDuration } from './format.js'

/**
 * A flow as a tree, for a terminal: each node under the first of its upstreams, roots first, the other upstreams named
 * behind it. Every node is shown once, however many upstreams it has.
 */
export function renderFlowTree(nodes: readonly FlowNodeView[], nowMs: number): readonly string[] {
  const byId = new Map(nodes.map((node) => [node.execution.id, node]))
  const children = new Map<string | undefined, FlowNodeView[]>()
  for (const node of nodes) {
    const parent = parentOf(node, byId)
    children.set(parent, [...(children.get(parent) ?? []), node])
  }
  const lines: string[] = []
  // A stack of its own: a flow may be deeper than the language's.
  const open: { node: FlowNodeView; lead: string; below: string }[] = (children.get(undefined) ?? [])
    .map((node) => ({ node, lead: '', below: '' }))
    .reverse()
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, lead, below } = next
    lines.push(lead + describeNode(node, byId, nowMs))
    const under = children.get(node.execution.id) ?? []
    for (const [place, child] of [...under.entries()].reverse()) {
      const isLast = place === under.length - 1
      open.push({
        node: child,
        lead: `${below}${isLast ? '└─ ' : '├─ '}`,
        below: `${below}${isLast ? '   ' : '│  '}`,
      })
    }
  }
  return lines
}

const MARKS: Readonly<Record<Execution['publicState'], string>> = {
  waiting: '·',
  resumable: '·',
  delayed: '◷',
  waiting_children: '○',
  rate_limited: '◷',
  active: '▶',
  suspended: '‖',
  completed: '✔',
  failed: '✘',
  cancelled: '⊘',
  expired: '⌛',
  skipped: '↷',
}

function parentOf(node: FlowNodeView, byId: ReadonlyMap<string, FlowNodeView>): string | undefined {
  return node.incoming.find(({ from }) => byId.has(from))?.from
}

function describeNode(node: FlowNodeView, byId: ReadonlyMap<string, FlowNodeView>, nowMs: number): string {
  const { execution, incoming, group } = node
  const parent = parentOf(node, byId)
  const others = incoming
    .filter(({ from }) => from !== parent)
    .map(({ from }) => nameOf(byId.get(from), from))
  return [
    `${MARKS[execution.publicState]} ${nameOf(node, execution.id)}`,
    `${execution.publicState}${execution.cancelCause === null ? '' : ` (${execution.cancelCause})`}`,
    ...(execution.attemptCount > 1 ? [`attempt ${execution.attemptCount}`] : []),
    ...durationOf(execution, nowMs),
    ...(execution.progress === null || execution.terminalAtMs !== null
      ? []
      : [`${execution.progress.percent}%`]),
    ...(group?.join === undefined || group.join === null || group.join.policy.kind === 'all_of'
      ? []
      : [joinOf(group.join)]),
    ...(others.length === 0 ? [] : [`also after ${others.join(', ')}`]),
    ...(execution.failure === null
      ? []
      : [`${execution.failure.category}: ${execution.failure.message.slice(0, 80)}`]),
  ].join('  ')
}

function joinOf({ policy }: NonNullable<NonNullable<FlowNodeView['group']>['join']>): string {
  return policy.kind === 'quorum' ? `[quorum ${policy.k}]` : `[${policy.kind}]`
}

function durationOf(execution: Execution, nowMs: number): readonly string[] {
  if (execution.lease !== null) return [formatDuration(nowMs - execution.lease.startedAtMs)]
  if (execution.terminalAtMs === null || execution.firstEligibleAtMs === null) return []
  return [formatDuration(execution.terminalAtMs - execution.firstEligibleAtMs)]
}

function nameOf(node: FlowNodeView | undefined, id: string): string {
  return node?.execution.name ?? node?.execution.kind ?? id
}
