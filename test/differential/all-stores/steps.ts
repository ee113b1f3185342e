import { createRandom } from '../../model/random.js'
import { operations } from '../operations/index.js'
import { pickBelow, picksPerStep, type Step } from '../run.js'

/** Where all that is drawn in a run comes from, so that its seed repeats it. */
export interface Drawing {
  step(): Step
  uuid(): string
}

export function createDrawing(seed: number): Drawing {
  const random = createRandom(seed)
  const names = Object.entries(operations).flatMap(([name, { weight }]) => Array<string>(weight).fill(name))
  const below = (n: number) => Math.floor(random.next() * n)
  return {
    step: () => ({
      op: names[below(names.length)] ?? 'drive',
      picks: Array.from({ length: picksPerStep }, () => below(pickBelow)),
    }),
    uuid: () => random.uuid(),
  }
}
