import type { ExecutionId, FlowId } from '@flowfabric/core'
import type { Model } from '../../model/store.js'
import type { Selection } from '../../support/snapshot.js'
import type { World } from '../world.js'

/** What the model's records looked like after the last step. */
export interface Watch {
  /** What has changed since the last look, with what the call's words name. */
  look(text: string): Touched
}

export type Touched = Omit<Selection, 'lanes'>

/** Finds out what a step touched: by what became of the model's records, so that no operation has to say it. */
export function createWatch(world: World): Watch {
  let before = pictureAll(world.model.store)
  return {
    look(text) {
      const now = pictureAll(world.model.store)
      const changed = [...new Set([...before.keys(), ...now.keys()])].filter(
        (id) => before.get(id)?.text !== now.get(id)?.text,
      )
      // A refused call changed nothing; then what it asked for is what may not have changed in a store either.
      const named = namedIn(world, text).filter((id) => now.has(id))
      const looked = [...new Set([...changed, ...named])]
      const flowOf = (id: string) => now.get(id)?.flowId ?? before.get(id)?.flowId ?? null
      const isFlow = (id: string) => !id.startsWith('{')
      const flows = new Set(looked.flatMap((id) => (isFlow(id) ? [id] : (flowOf(id) ?? []))))
      const ofThoseThere = (differs: (a: Picture | undefined, b: Picture) => boolean) =>
        looked.filter((id) => {
          const picture = now.get(id)
          return !isFlow(id) && picture !== undefined && differs(before.get(id), picture)
        }) as ExecutionId[]
      const attemptsOf = ofThoseThere((was, is) => was?.endedAttempts !== is.endedAttempts)
      const resultsOf = ofThoseThere((was, is) => was?.outcome !== is.outcome)
      before = now
      return {
        executions: looked.filter((id) => !isFlow(id) && flowOf(id) === null) as ExecutionId[],
        flows: [...flows] as FlowId[],
        attemptsOf,
        resultsOf,
      }
    },
  }
}

interface Picture {
  readonly text: string
  readonly flowId: FlowId | null
  /** What one that runs is like is seen when it ends. */
  readonly endedAttempts: string
  readonly outcome: string
}

function pictureAll({ executions, flows }: Model): ReadonlyMap<string, Picture> {
  const pictures = new Map<string, Picture>()
  for (const x of executions.values()) {
    const ended = x.attempts.filter(({ state }) => state !== 'started')
    pictures.set(x.id, {
      text: JSON.stringify({ ...x, input: null }),
      flowId: x.flowId,
      endedAttempts: JSON.stringify(ended),
      outcome: x.state.terminalOutcome,
    })
  }
  for (const flow of flows.values()) {
    // When it was last projected is not compared.
    const shown = { ...flow, summary: null, changed: null, content: null, groups: [...flow.groups.values()] }
    pictures.set(flow.id, { text: JSON.stringify(shown), flowId: null, endedAttempts: '', outcome: '' })
  }
  return pictures
}

const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const ids = new RegExp(`(?:\\{fp:\\d+\\}:)?${uuid}|#\\d+`, 'g')

/** What a call's words name: ids, and leases by their numbers. */
export function namedIn(world: World, text: string): string[] {
  return (text.match(ids) ?? []).flatMap((word) => {
    if (!word.startsWith('#')) return [word]
    return world.handles.find(({ number }) => `#${number}` === word)?.executionId ?? []
  })
}
