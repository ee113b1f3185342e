import type { FoundationBackend } from '@flowfabric/core'
import fc from 'fast-check'
import { type DriveOptions, settle } from '../support/drive.js'
import { type Tallies, tally } from '../support/random-runs.js'
import { takeSnapshot, takeStates } from '../support/snapshot.js'
import { watchAdmission } from './admission.js'
import { answerOf, outcomesOf } from './answers.js'
import { Chooser } from './chooser.js'
import { differencesBetween } from './differences.js'
import { withoutUnusedLanes } from './lanes-in-use.js'
import { operations } from './operations/index.js'
import { deleteWebhooks } from './operations/webhooks.js'
import type { Call, Play, Side, World } from './world.js'

/** A generated call: which operation, and the numbers that its choices are made from. */
export interface Step {
  readonly op: string
  readonly picks: readonly number[]
}

export const picksPerStep = 24
export const pickBelow = 9_974

export function stepsArbitrary(maxLength: number): fc.Arbitrary<Step[]> {
  const op = fc.oneof(
    ...Object.entries(operations).map(([name, { weight }]) => ({ weight, arbitrary: fc.constant(name) })),
  )
  const picks = fc.array(fc.nat(pickBelow - 1), { minLength: picksPerStep, maxLength: picksPerStep })
  return fc.array(fc.record({ op, picks }), { minLength: 1, maxLength, size: 'max' })
}

/** A run that asks for everything, so that a short test leaves nothing to luck: twice, since the first asks about little. */
export function askForEverything(): Step[] {
  const names = Object.keys(operations)
  return [...names, ...names].map((op, place) => ({
    op,
    picks: Array.from({ length: picksPerStep }, (_, n) => (place * 31 + n * 17) % pickBelow),
  }))
}

/** Whether all pending work is carried out after each call, or only when a `drive` says so. */
export type Settling = 'each_step' | 'by_drives'

/** Sends the same calls to all and compares answers and states after each. Throws at the first difference. */
export async function runSteps(
  world: World,
  steps: readonly Step[],
  tallies: Tallies,
  { settling }: { readonly settling: Settling },
): Promise<void> {
  const log: string[] = []
  const admission = watchAdmission(world, settling)
  try {
    for (const [index, step] of steps.entries()) {
      const { op, call } = chooseCall(world, step)
      log.push(`${index}. ${call.text}`)
      const outcomes = await carryOut(world, call)
      log.push(`   ${outcomes.join()}`)
      for (const outcome of outcomes) tally(tallies, op, outcome)
      if (settling === 'each_step') await settleAll(world)
      await admission.look()
      await compareStates(world, index % 25 === 24)
    }
    await settleAll(world)
    await compareStates(world, true)
  } catch (error) {
    throw new Error(`${String(error)}\nafter:\n  ${log.join('\n  ')}`, { cause: error })
  } finally {
    await deleteSchedules(world)
    await stopOperations(world)
    await endPeriods(world)
    for (const backend of world.backends.values()) await deleteWebhooks(world, backend)
  }
}

/** Partitions of schedules are everybody's on a store: what a run leaves would be due in the next one. */
async function deleteSchedules({ backends, namespace, schedules }: World): Promise<void> {
  for (const backend of backends.values()) {
    for (const scheduleId of schedules) await backend.schedules.delete({ namespace, scheduleId })
  }
}

/** As schedules are. */
async function stopOperations({ backends, namespace, operations: begun }: World): Promise<void> {
  for (const backend of backends.values()) {
    for (const operationId of begun) await backend.operations.stop({ namespace, operationId })
  }
}

/** As schedules are. */
async function endPeriods({ backends, namespace, budgets }: World): Promise<void> {
  for (const backend of backends.values()) {
    const { items } = await backend.budgets.list({ namespace })
    for (const { id: budgetId } of items.filter(({ id }) => budgets.includes(id)))
      await backend.budgets.update({ namespace, budgetId, settings: { resetPeriodMs: null } })
  }
}

/** The call that a step stands for in this world. */
export function chooseCall(
  world: World,
  { op: asked, picks }: Step,
): { readonly op: string; readonly call: Call | Play } {
  const op = withSomethingToAskAbout(world, asked)
  const operation = operations[op]
  if (operation === undefined) throw new Error(`no operation ${op}`)
  return { op, call: operation.choose(new Chooser(picks), world) }
}

/** A question about nothing teaches little: until there is something, it is made instead. */
function withSomethingToAskAbout(world: World, op: string): string {
  const needsHandle =
    /^leases\.(?!claim|revoke)|^attempts\.record|^streams\.append|^suspensions\.suspend|^quotas\.(acquire|release)|^budgets\.report/.test(
      op,
    )
  if (needsHandle && world.handles.length === 0)
    return world.executions.length === 0 ? 'executions.submit' : 'leases.claim'
  if (/^flows\./.test(op) && world.flows.length === 0) return op === 'flows.createDraft' ? op : 'flows.submit'
  if (/^schedules\./.test(op) && world.schedules.length === 0) return 'schedules.put'
  if (/^operations\./.test(op) && world.operations.length === 0) return 'operations.create'
  if (/^quotas\./.test(op) && world.model.store.quotas.size === 0) return 'quotas.create'
  if (/^webhooks\./.test(op) && world.model.store.webhooks.size === 0) return 'webhooks.put'
  if (/^budgets\./.test(op) && world.model.store.budgets.size === 0) return 'budgets.create'
  if (/^(executions|attempts|streams|suspensions)\./.test(op) && world.executions.length === 0)
    return 'executions.submit'
  return op
}

/** Sends a call to all, the model first and the stores at once. Throws unless they answer alike. */
export async function carryOut(world: World, call: Call | Play): Promise<readonly string[]> {
  if ('play' in call) {
    const { outcomes, differences } = await call.play()
    if (differences.length > 0) throw new Error(`they differ:\n ${differences.join('\n ')}`)
    return outcomes
  }
  const answers = await askAll(world, (backend, side) => answerOf(() => call.on(backend, side)))
  requireAlike('the answers', answers)
  call.keep?.(answers)
  return outcomesOf(answers.get('model'))
}

/** Asks the model, and then all stores at once; a fault says whose it is. */
export async function askAll<Answer>(
  { backends }: World,
  ask: (backend: FoundationBackend, side: Side) => Promise<Answer>,
): Promise<ReadonlyMap<Side, Answer>> {
  const askOne = async ([side, backend]: [Side, FoundationBackend]): Promise<[Side, Answer]> => {
    try {
      return [side, await ask(backend, side)]
    } catch (cause) {
      throw new Error(`${side}: ${String(cause)}`, { cause })
    }
  }
  const [model, ...stores] = backends
  if (model === undefined) throw new Error('nobody to ask')
  const first = await askOne(model)
  return new Map([first, ...(await Promise.all(stores.map(askOne)))])
}

export async function settleAll(world: World, except?: DriveOptions['except']): Promise<void> {
  await askAll(world, (backend) => settle(backend, world.partitions, { except }))
}

async function compareStates(world: World, full: boolean): Promise<void> {
  const look = full ? takeSnapshot : takeStates
  const states = await askAll(world, async (backend) =>
    withoutUnusedLanes(await look(backend, world.namespace)),
  )
  requireAlike('the states', states)
}

/** Throws at the first store that doesn't say what the model says. */
export function requireAlike(what: string, answers: ReadonlyMap<Side, unknown>): void {
  const model = answers.get('model')
  for (const [side, answer] of answers) {
    const found = differencesBetween(model, answer)
    if (found.length > 0) throw new Error(`${what} differ (model, then ${side}):\n  ${found.join('\n  ')}`)
  }
}
