import {
  type Execution,
  type FlowId,
  type FlowNodeView,
  type Namespace,
  parseExecutionIdUrl,
  parseFlowId,
  type SuspensionView,
  type Waitpoint,
} from '@flowfabric/core'
import type { ServerBackend } from '@flowfabric/sdk'
import type { Command } from 'commander'
import { type ClientFlags, withClientOptions, withConnection } from '../connect.js'
import { renderFlowTree } from '../flow-tree.js'
import { formatFields, formatJson, formatPayload, formatTable, formatTime } from '../format.js'
import { readSubject } from '../subject.js'
import type { Terminal } from '../terminal.js'
import { listWaitpoints, waitpointTable } from '../waitpoints.js'

/** `show`, `explain`, and `flow show`. */
export function addShowing(program: Command, flow: Command, terminal: Terminal): void {
  withClientOptions(program.command('show <id>').description('show an execution or a flow')).action(
    async (id: string, flags: ClientFlags) => {
      const subject = readSubject(id)
      if ('flowId' in subject) return showFlow(terminal, subject.flowId, flags)
      return withConnection(terminal, flags, async (connection) => {
        const { backend, namespace } = connection
        const target = { namespace, id: subject.executionId }
        const [{ execution }, { items: attempts }, { items: results }, waitpoints] = await Promise.all([
          backend.executions.get(target),
          backend.attempts.list({ namespace, executionId: subject.executionId }),
          backend.executions.getResult({ namespace, ids: [subject.executionId] }),
          listWaitpoints(connection, subject.executionId),
        ])
        if (flags.json) {
          return terminal.out(formatJson({ execution, attempts, result: results[0], waitpoints }))
        }
        terminal.out(describeExecution(execution))
        if (execution.publicState === 'suspended') {
          const explanation = (await connection.explain?.(target)) as Explained
          terminal.out(`\n${explanation.dominant.message}`)
        }
        const [result] = results
        if (result?.outcome === 'success')
          terminal.out(`result${' '.repeat(10)}${formatPayload(result.result)}`)
        if (waitpoints.length > 0) terminal.out(`\n${waitpointTable(waitpoints)}`)
        if (attempts.length === 0) return
        terminal.out('')
        const rows = attempts.map(({ index, type, state, workerId, startedAtMs, endedAtMs, failure }) => [
          String(index),
          type,
          state,
          workerId,
          formatTime(startedAtMs),
          formatTime(endedAtMs),
          failure?.message.slice(0, 60) ?? '',
        ])
        terminal.out(formatTable(['attempt', 'type', 'state', 'worker', 'started', 'ended', 'failure'], rows))
      })
    },
  )

  withClientOptions(
    program.command('explain <id>').description('say why an execution does not run, or that it does'),
  ).action((id: string, flags: ClientFlags) =>
    withConnection(terminal, flags, async ({ explain, namespace }) => {
      const explanation = (await explain?.({ namespace, id: parseExecutionIdUrl(id) })) as Explained
      if (flags.json) return terminal.out(formatJson(explanation))
      const { message, sinceMs, evidence } = explanation.dominant
      terminal.out(`${explanation.publicState}: ${message}`)
      if (sinceMs !== null) terminal.out(`Since: ${formatTime(sinceMs)}`)
      terminal.out(`What would end it: ${explanation.dominant.releasedBy}`)
      for (const reason of explanation.reasons.slice(1)) terminal.out(`Also: ${reason.message}`)
      const { suspension, waitpoints = [] } = evidence
      if (suspension?.timesOutAtMs != null && !suspension.escalated) {
        terminal.out(`Times out: ${formatTime(suspension.timesOutAtMs)}`)
      }
      if (waitpoints.length > 0) terminal.out(`\n${waitpointTable(waitpoints)}`)
    }),
  )

  withClientOptions(flow.command('show <flowId>').description('show a flow as a tree')).action(
    (flowId: string, flags: ClientFlags) => showFlow(terminal, parseFlowId(flowId), flags),
  )
}

interface Explained {
  readonly publicState: string
  readonly dominant: {
    readonly message: string
    readonly sinceMs: number | null
    readonly releasedBy: string
    readonly evidence: {
      /** Of what waits on purpose. */
      readonly suspension?: SuspensionView | null
      readonly waitpoints?: readonly Waitpoint[]
    }
  }
  readonly reasons: readonly { readonly message: string }[]
}

async function showFlow(terminal: Terminal, flowId: FlowId, flags: ClientFlags): Promise<void> {
  await withConnection(terminal, flags, async ({ backend, namespace }) => {
    const [{ flow }, nodes] = await Promise.all([
      backend.flows.get({ namespace, flowId }),
      readGraph(backend, namespace, flowId),
    ])
    if (flags.json) return terminal.out(formatJson({ flow, nodes }))
    const { summary } = flow
    terminal.out(`${flow.name ?? 'flow'} ${flow.id}: ${flow.state}, ${summary.totalMembers} members`)
    for (const line of renderFlowTree(nodes, Date.now())) terminal.out(line)
  })
}

async function readGraph(
  backend: ServerBackend,
  namespace: Namespace,
  flowId: FlowId,
): Promise<readonly FlowNodeView[]> {
  const nodes: FlowNodeView[] = []
  let cursor: string | undefined
  do {
    const page = await backend.flows.getGraph({ namespace, flowId, cursor, limit: 1_000 })
    nodes.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return nodes
}

function describeExecution(execution: Execution): string {
  const { failure, progress, lease } = execution
  return formatFields({
    id: execution.id,
    kind: execution.kind,
    name: execution.name,
    flow: execution.flowId,
    lane: execution.lane,
    state: execution.publicState,
    cause: execution.cancelCause,
    attempts: execution.attemptCount,
    generation: execution.generation,
    priority: execution.priority,
    held: execution.held ? 'by an operator' : undefined,
    worker: lease?.workerId,
    progress: progress === null ? undefined : `${progress.percent}% ${progress.message ?? ''}`.trim(),
    failure: failure === null ? undefined : `${failure.category}: ${failure.message}`,
    created: formatTime(execution.createdAtMs),
    'not before': execution.notBeforeMs === null ? undefined : formatTime(execution.notBeforeMs),
    ended: execution.terminalAtMs === null ? undefined : formatTime(execution.terminalAtMs),
  })
}
