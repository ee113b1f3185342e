import { isErrorCode } from '@flowfabric/core'
import fc from 'fast-check'
import { settle } from '../support/drive.js'
import { type Tallies, tally } from '../support/random-runs.js'
import { takeSnapshot, takeStates } from '../support/snapshot.js'
import { answerOf, normalize, outcomesOf } from './answers.js'
import { Chooser } from './chooser.js'
import { withoutUnusedLanes } from './lanes-in-use.js'
import { operations } from './operations/index.js'
import { backendOf, type Call, type Play, sides, type World } from './world.js'

/** A generated call: which operation, and the numbers that its choices are made from. */
export interface Step {
  readonly op: string
  readonly picks: readonly number[]
}

export function stepsArbitrary(maxLength: number): fc.Arbitrary<Step[]> {
  const op = fc.oneof(
    ...Object.entries(operations).map(([name, { weight }]) => ({ weight, arbitrary: fc.constant(name) })),
  )
  const picks = fc.array(fc.nat(9_973), { minLength: 24, maxLength: 24 })
  return fc.array(fc.record({ op, picks }), { minLength: 1, maxLength, size: 'max' })
}

export interface RunOptions {
  /** Whether all pending work is carried out after each call, or only when a `drive` says so. */
  readonly settling: 'each_step' | 'by_drives'
}

/** Sends the same calls to both and compares answers and states after each. Throws at the first difference. */
export async function runSteps(
  world: World,
  steps: readonly Step[],
  tallies: Tallies,
  { settling }: RunOptions,
): Promise<void> {
  const log: string[] = []
  try {
    for (const [index, step] of steps.entries()) {
      const op = withSomethingToAskAbout(world, step.op)
      const operation = operations[op]
      if (operation === undefined) throw new Error(`no operation ${op}`)
      const call = operation.choose(new Chooser(step.picks), world)
      log.push(`${index}. ${call.text}`)
      for (const outcome of await carryOut(world, call, log)) tally(tallies, op, outcome)
      for (const id of world.executions) if (!world.calls.has(id)) world.calls.set(id, index)
      if (settling === 'each_step')
        for (const side of sides) await settle(backendOf(world, side), world.partitions)
      await compareStates(world, index % 25 === 24)
    }
    for (const side of sides) await settle(backendOf(world, side), world.partitions)
    await compareStates(world, true)
  } catch (error) {
    throw new Error(`${String(error)}\nafter:\n  ${log.join('\n  ')}`, { cause: error })
  }
}

/** A question about nothing teaches little: until there is something, it is made instead. */
function withSomethingToAskAbout(world: World, op: string): string {
  const needsHandle = /^leases\.(?!claim|revoke)|^attempts\.record/.test(op)
  if (needsHandle && world.handles.length === 0)
    return world.executions.length === 0 ? 'executions.submit' : 'leases.claim'
  if (/^flows\./.test(op) && world.flows.length === 0) return op === 'flows.createDraft' ? op : 'flows.submit'
  if (/^(executions|attempts)\./.test(op) && world.executions.length === 0) return 'executions.submit'
  return op
}

async function carryOut(world: World, call: Call | Play, log: string[]): Promise<readonly string[]> {
  if ('play' in call) {
    const { outcomes, differences } = await call.play()
    log.push(`   ${outcomes.join()}`)
    if (differences.length > 0) throw new Error(`they differ:\n ${differences.join('\n ')}`)
    return outcomes
  }
  const [model, store] = [
    await answerOf(() => call.on(world.model, 'model')),
    await answerOf(() => call.on(world.store, 'store')),
  ]
  log.push(`   ${outcomesOf(model).join()}`)
  requireSame('the answers', normalize(model), normalize(store))
  call.keep?.({ model, store })
  return outcomesOf(model)
}

async function compareStates(world: World, full: boolean): Promise<void> {
  const look = full ? takeSnapshot : takeStates
  const [model, store] = [await look(world.model, world.namespace), await look(world.store, world.namespace)]
  requireSame('the states', normalize(withoutUnusedLanes(model)), normalize(withoutUnusedLanes(store)))
}

function requireSame(what: string, model: unknown, store: unknown): void {
  const found = [...differencesOf(model, store, '')].slice(0, 12)
  if (found.length > 0) throw new Error(`${what} differ (model, then store):\n  ${found.join('\n  ')}`)
}

function* differencesOf(a: unknown, b: unknown, path: string): Generator<string> {
  if (Object.is(a, b)) return
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    yield `${path}: ${JSON.stringify(a)} | ${JSON.stringify(b)}`
    return
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const key of keys)
    yield* differencesOf(
      (a as Record<string, unknown>)[key],
      (b as Record<string, unknown>)[key],
      `${path}.${key}`,
    )
}

/** What an operation was answered, split into accepted and refused. */
/** Outcomes that turn a caller away without an error. */
const turnedAway: ReadonlySet<string> = new Set(['unknown_instance', 'gone'])

export function splitTally(counts: ReadonlyMap<string, number> | undefined): {
  accepted: number
  refused: number
} {
  const split = { accepted: 0, refused: 0 }
  for (const [outcome, count] of counts ?? []) {
    const isRefusal = isErrorCode(outcome) || turnedAway.has(outcome)
    split[isRefusal ? 'refused' : 'accepted'] += count
  }
  return split
}
