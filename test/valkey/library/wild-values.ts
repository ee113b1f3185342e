import type { Random } from '../../model/random.js'
import type { Shape } from './argument-shapes.js'

/** Values that mean something in the store, so that a call gets further than its first look. */
export interface Pool {
  readonly texts: readonly string[]
  readonly numbers: readonly number[]
}

const strangeTexts = [
  '',
  ' ',
  '{',
  '}:',
  '\u0000',
  'é\ud83d',
  'ff:',
  '%s%d',
  '-',
  '0',
  'nil',
  'x'.repeat(5_000),
]
const strangeNumbers = [-1, -0.5, 0.1, 1e15, 2 ** 53, 2 ** 63, 1e308, Number.NaN, Infinity, -Infinity]

/** Arguments of these types, most of them of the right type and few of them right. */
export function makeArguments(shapes: readonly Shape[], pool: Pool, random: Random): unknown[] {
  const args = shapes.map((shape) => makeValue(shape, pool, random, 0))
  // Too many, or too few.
  if (below(random, 40) === 0) args.pop()
  if (below(random, 40) === 0) args.push(0)
  return args
}

function makeValue(shape: Shape, pool: Pool, random: Random, depth: number): unknown {
  if (below(random, 25) === 0) return anything(pool, random, depth)
  switch (shape.kind) {
    case 'string':
      return below(random, 5) === 0 ? pick(strangeTexts, random) : pick(pool.texts, random)
    case 'int':
    case 'number':
      return below(random, 8) === 0 ? pick(strangeNumbers, random) : pick(pool.numbers, random)
    case 'boolean':
      return below(random, 2) === 0
    case 'unknown':
      return anything(pool, random, depth)
    case 'list':
      return Array.from({ length: below(random, 4) }, () => makeValue(shape.of, pool, random, depth + 1))
    case 'tuple':
      return shape.items.map((item) => makeValue(item, pool, random, depth + 1))
  }
}

function anything(pool: Pool, random: Random, depth: number): unknown {
  switch (below(random, depth > 3 ? 5 : 7)) {
    case 0:
      return null
    case 1:
      return below(random, 2) === 0
    case 2:
      return pick(strangeNumbers, random)
    case 3:
      return pick(strangeTexts, random)
    case 4:
      return pick(pool.texts, random)
    case 5:
      return { a: anything(pool, random, depth + 1), 1: 2 }
    default:
      return Array.from({ length: below(random, 4) }, () => anything(pool, random, depth + 1))
  }
}

export function pick<Item>(items: readonly Item[], random: Random): Item {
  const item = items[below(random, items.length)]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

export function below(random: Random, n: number): number {
  return Math.floor(random.next() * n)
}
