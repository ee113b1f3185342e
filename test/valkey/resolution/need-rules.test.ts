import { type GroupDecision, isNeeded, type OutgoingEdge } from '@flowfabric/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { decisionLetters } from '../../../packages/backend-valkey/src/flows/flow-letters.js'
import { groupFields as G } from '../../../packages/backend-valkey/src/generated/layouts.js'
import { type LuaRules, openLuaRules } from '../library/ask-lua.js'

let rules: LuaRules

beforeAll(async () => {
  rules = await openLuaRules()
})

afterAll(() => rules.close())

const decisions: readonly GroupDecision[] = ['pending', 'satisfied', 'impossible']

/** Every edge that there can be. */
const edges: readonly OutgoingEdge[] = [true, false].flatMap((downstreamTerminal) =>
  [true, false].flatMap((downstreamAlways) =>
    decisions.map((groupState) => ({ downstreamTerminal, downstreamAlways, groupState })),
  ),
)

function pack({ downstreamTerminal, downstreamAlways, groupState }: OutgoingEdge) {
  const group: unknown[] = Array.from({ length: Object.keys(G).length }, () => 0)
  group[G.state] = decisionLetters[groupState]
  group[G.run_on] = downstreamAlways ? 'a' : 's'
  return { group, isTerminal: downstreamTerminal }
}

/** Where an execution's edges lead, instead of what is stored. */
const stored = `
  local downs
  function groups.outs() local outs = {} for place = 1, #downs do outs[place] = { place, 1 } end return outs end
  function groups.load() end
  function groups.get(_, id) return downs[id].group end
  function record.load() end
  function record.get(_, id) return downs[id] end
  function state.is_terminal(x) return x.isTerminal end
`

it('knows as core does who is still of use, with up to two edges', async () => {
  const cases = [[], ...edges.map((edge) => [edge]), ...edges.flatMap((a) => edges.map((b) => [a, b]))]
  const told = await rules.ask(
    ['groups', 'record', 'state', 'losers'],
    cases.map((each) => each.map(pack)),
    `${stored} downs = case return { losers.is_needed({}, 'x') }`,
  )
  expect(told).toEqual(cases.map((each) => [isNeeded(each)]))
  expect(new Set(told.map(([isOfUse]) => isOfUse)).size).toBe(2)
})
