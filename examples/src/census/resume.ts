import type { AttemptRecord, FlowId } from '@flowfabric/core'
import type { Client, FlowHandle } from '@flowfabric/sdk'
import { census } from './flow.js'

export interface FoundCensus {
  readonly flow: FlowHandle<unknown>
  readonly isResumed: boolean
}

/** The census that an earlier process has left half-way, or a new one. */
export async function findOrSubmit(client: Client, root: string): Promise<FoundCensus> {
  const { items } = await client.listFlows({ states: ['open'] })
  const interrupted = items.find(({ name }) => name === census.name)
  if (interrupted !== undefined) return { flow: client.flow(interrupted.id as FlowId), isResumed: true }
  return { flow: await client.submit(census, { root }), isResumed: false }
}

/** How far a census had come. */
export async function describeProgress(flow: FlowHandle<unknown>): Promise<string> {
  const members = await flow.graph()
  const ended = members.filter(({ execution }) => execution.terminalAtMs !== null).length
  const running = members.filter(({ execution }) => execution.publicState === 'active')
  const names = running.map(({ execution }) => execution.name).join(', ')
  const half = running.length === 0 ? '' : `; ${names} ${running.length === 1 ? 'was' : 'were'} running then`
  return `${ended} of ${members.length} nodes had ended${half}`
}

/** Members that began more often than they failed: those that a killed process had to leave. */
export async function listRunTwice(client: Client, flow: FlowHandle<unknown>): Promise<readonly string[]> {
  const members = await flow.graph()
  const suspects = members.filter(({ execution }) => execution.attemptCount > 1)
  const lines = await Promise.all(
    suspects.map(async ({ execution }) => {
      const attempts = await client.handle(execution.id).attempts()
      const lost = attempts.filter(({ state }) => state === 'interrupted_reclaimed')
      return lost.length === 0 ? [] : [`${execution.name}: ${attempts.map(describeAttempt).join(', then ')}`]
    }),
  )
  return lines.flat()
}

function describeAttempt({ index, state }: AttemptRecord): string {
  const end =
    state === 'interrupted_reclaimed'
      ? 'lost with its process'
      : state.replace('ended_', '').replace('_', ' ')
  return `attempt ${index + 1} ${end}`
}
