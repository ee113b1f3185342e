import { describe, expect, it } from 'vitest'
import { LaneTurns } from './lane-turns.js'

function serve(turns: LaneTurns, lanes: readonly string[], weights: Record<string, number>, rounds: number) {
  const served: Record<string, number> = {}
  for (let round = 0; round < rounds; round++) {
    const lane = turns.choose(lanes)
    if (lane === undefined) break
    served[lane] = (served[lane] ?? 0) + 1
    turns.serve(lane, 1, weights[lane] ?? 1)
  }
  return served
}

describe('turns of lanes', () => {
  it('follow the weights', () => {
    expect(serve(new LaneTurns(), ['a', 'b'], { a: 3, b: 1 }, 400)).toEqual({ a: 300, b: 100 })
  })

  it('a lane that got much at once waits longer', () => {
    const turns = new LaneTurns()
    turns.serve('a', 10, 1)
    expect(serve(turns, ['a', 'b'], {}, 10)).toEqual({ b: 10 })
  })

  it('a lane that was idle earns no credit for it', () => {
    const turns = new LaneTurns()
    serve(turns, ['a'], {}, 1_000)
    const served = serve(turns, ['a', 'b'], {}, 100)
    expect(served.b ?? 0).toBeLessThanOrEqual(51)
  })

  it('nobody competes, nobody is chosen', () => {
    expect(new LaneTurns().choose([])).toBeUndefined()
  })
})
