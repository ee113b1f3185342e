import type { EngineEvent, FlowNodeView, JoinSpec, PublicState } from '@flowfabric/core'

/** What is shown of one member. */
export interface Row {
  readonly id: string
  readonly name: string
  /** Names of its upstreams, and how they are joined. */
  upstreams: readonly string[]
  join: string
  state: PublicState
  attempts: number
  startedAtMs: number | undefined
  endedAtMs: number | undefined
  /** Why it was cancelled, or what its failure says. */
  note: string | undefined
}

const terminalStates: ReadonlySet<PublicState> = new Set([
  'completed',
  'failed',
  'cancelled',
  'expired',
  'skipped',
])

export function isTerminal(state: PublicState): boolean {
  return terminalStates.has(state)
}

/** What is known of a flow: the graph as it was read, moved on by the events since. */
export class Board {
  readonly #rows = new Map<string, Row>()
  graphRevision = 0

  get rows(): readonly Row[] {
    return [...this.#rows.values()]
  }

  /** How many members have ended. */
  get ended(): number {
    return this.rows.filter(({ state }) => isTerminal(state)).length
  }

  /** Takes over what was read; what an event has moved on meanwhile is not taken back. */
  read(members: readonly FlowNodeView[]): void {
    const names = new Map(
      members.map(({ execution }) => [execution.id as string, execution.name ?? execution.id]),
    )
    for (const { execution, incoming, group } of members) {
      const row = this.#rows.get(execution.id) ?? createRow(execution.id, execution.name ?? execution.id)
      this.#rows.set(execution.id, row)
      row.upstreams = incoming.map(({ from }) => names.get(from) ?? from)
      row.join = incoming.length === 0 ? '' : formatJoin(group?.join ?? undefined)
      row.note = execution.failure?.message ?? execution.cancelCause ?? row.note
      if (isTerminal(row.state)) continue
      row.state = execution.publicState
      row.attempts = execution.attemptCount
      row.startedAtMs = execution.lease?.startedAtMs ?? row.startedAtMs
      row.endedAtMs = execution.terminalAtMs ?? undefined
    }
  }

  /** Takes an event over; answers the row that it moved, if any. */
  apply(event: EngineEvent): Row | undefined {
    if (event.type !== 'execution') return undefined
    const row =
      this.#rows.get(event.executionId) ?? createRow(event.executionId, event.name ?? event.executionId)
    this.#rows.set(event.executionId, row)
    row.state = event.publicState
    if (event.attemptIndex !== null) row.attempts = Math.max(row.attempts, event.attemptIndex + 1)
    if (event.publicState === 'active') row.startedAtMs = event.atMs
    row.endedAtMs = isTerminal(event.publicState) ? event.atMs : undefined
    if (event.cancelCause !== null) row.note = event.cancelCause
    return row
  }
}

function createRow(id: string, name: string): Row {
  return {
    id,
    name,
    upstreams: [],
    join: '',
    state: 'waiting_children',
    attempts: 0,
    startedAtMs: undefined,
    endedAtMs: undefined,
    note: undefined,
  }
}

function formatJoin(join: JoinSpec | undefined): string {
  const policy = join?.policy
  const name = policy?.kind === 'quorum' ? `quorum of ${policy.k}` : (policy?.kind ?? 'all_of')
  if (join?.runOn === 'groupImpossible') return `${name}, if impossible`
  return join?.runOn === 'always' ? `${name}, always` : name
}
