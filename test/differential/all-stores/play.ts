import type { FoundationBackend, PartitionTag } from '@flowfabric/core'
import { type Tallies, tally } from '../../support/random-runs.js'
import { type Selection, takePart, takeSnapshot } from '../../support/snapshot.js'
import { compareAdmission, watchAdmission } from '../admission.js'
import { Chooser } from '../chooser.js'
import { withoutUnusedLanes } from '../lanes-in-use.js'
import { readEvents } from '../operations/time.js'
import { askAll, carryOut, chooseCall, requireAlike, type Settling, settleAll } from '../run.js'
import type { Call, Play, World } from '../world.js'
import { forgetGone, retire, withRoomFor } from './bounds.js'
import type { Drawing } from './steps.js'
import { createWatch, namedIn } from './touched.js'
import { createTrail } from './trail.js'

/** What was compared with the model's, of each store alike. */
export interface Compared {
  answers: number
  /** Pictures of what a step touched. */
  parts: number
  /** Pictures of everything, with the whole feed up to there. */
  wholes: number
}

export interface PlayOptions {
  readonly drawing: Drawing
  readonly steps: number
  readonly settling: Settling
  readonly tallies: Tallies
  readonly compared: Compared
}

const stepsPerWhole = 100
const stepsPerLanes = 5

/**
 * Sends one long sequence of calls to all stores at once, and compares after each step the answers and what the step
 * touched, and now and then everything. Throws at the first difference, with what led to it.
 */
export async function playOnAll(
  world: World,
  { drawing, steps, settling, tallies, compared }: PlayOptions,
): Promise<void> {
  const watch = createWatch(world)
  const trail = createTrail()
  const admission = watchAdmission(world, settling)
  const ends = { count: 0 }
  world.model.events.listen({
    onHint: ({ type }) => {
      if (type === 'ended' || type === 'outbox') ends.count += 1
    },
  })
  for (let index = 0; index < steps; index += 1) {
    const { op, call } = chooseNext(world, drawing)
    if (settling === 'by_drives' && meeting.test(op) && world.model.store.messages.size > 0)
      await settleAll(world, notCarried)
    trail.begin(index, call.text, namedIn(world, call.text))
    try {
      const outcomes = await carryOut(world, call)
      trail.answered(outcomes)
      compared.answers += 1
      for (const outcome of outcomes) tally(tallies, op, outcome)
      const isReading = readings.test(op)
      if (settling === 'each_step' && (await hasWork(world, ends))) await settleAll(world, ['projection'])
      await admission.look()
      const touched = watch.look(isReading ? '' : call.text)
      trail.touched([...touched.executions, ...touched.flows, ...touched.attemptsOf])
      if (!isReading || touched.executions.length + touched.flows.length > 0) {
        await compareParts(world, { ...touched, lanes: index % stepsPerLanes === 0 })
        compared.parts += 1
      }
      if (op === 'maintenance.trimRetention') forgetGone(world)
      if ((index + 1) % stepsPerWhole === 0 || index + 1 === steps) {
        // With nothing left to be done, also the summaries and the numbers of events.
        if (index + 1 === steps) await settleAll(world, ['projection'])
        await compareWholes(world)
        await compareAdmission(world)
        watch.look('')
        compared.wholes += 1
      }
    } catch (error) {
      throw new Error(`step ${index}: ${String(error)}\n${trail.tell()}`, { cause: error })
    }
  }
}

/**
 * What these leave, to be carried to an execution, may meet a message that is on its way there: that its child has ended and
 * that its parent was stopped, say. Which comes first is each store's own.
 */
const meeting = /^(suspensions\.suspend|executions\.cancel|flows\.cancel)$/
const notCarried = ['timers', 'sibling_cancels', 'cancel_backlog', 'projection'] as const

/** Operations that change nothing but how far the feed was read. */
const readings =
  /^(?!schedules)\w+\.(get|getGraph|getResult|list|count|explainFacts|loadSteps|loadUpstream|listDeliveries|findWaitpoint|listWaitpoints|listSignals|read)$/

function chooseNext(world: World, drawing: Drawing): { readonly op: string; readonly call: Call | Play } {
  const step = withRoomFor(world, drawing.step())
  return step === 'retire' ? retire(world) : chooseCall(world, step)
}

/** Where nothing ended and the model has nothing to do, no store has: how much of an end is carried out at once is its own. */
async function hasWork({ model, partitions }: World, ends: { count: number }): Promise<boolean> {
  const hasEnded = ends.count > 0
  ends.count = 0
  if (hasEnded) return true
  const { partitions: pulses } = await model.maintenance.pulse({ partitions })
  return pulses.some(({ pending }) => pending.some((work) => work !== 'projection' && work !== 'retention'))
}

async function compareParts(world: World, selected: Selection): Promise<void> {
  const parts = await askAll(world, async (backend) =>
    withoutUnusedLanes(await takePart(backend, world.namespace, selected)),
  )
  requireAlike('what it touched', parts)
}

/** Everything, with what the feed said since the last time; and each record is where its state demands. */
async function compareWholes(world: World): Promise<void> {
  const wholes = await askAll(world, async (backend) =>
    withoutUnusedLanes(await takeSnapshot(backend, world.namespace, { events: false })),
  )
  requireAlike('the states', wholes)
  for (const partition of world.partitions)
    await askAll(world, ({ maintenance }) => maintenance.upkeep({ partition, max: 500 }))
  const news = await askAll(world, readEvents(new Chooser([0]), world).on)
  requireAlike('the events', news)
  const findings = await askAll(world, (backend) => findingsIn(backend, world.partitions))
  requireAlike('what the indexes lack', findings)
}

async function findingsIn({ maintenance }: FoundationBackend, partitions: readonly PartitionTag[]) {
  const found: unknown[] = []
  for (const partition of partitions) {
    found.push(...(await maintenance.reconcileIndexes({ partition, max: 500 })).items)
  }
  return found
}
