import { setTimeout as pause } from 'node:timers/promises'
import { amountOf, type ExecutionId, limits, makePartitionTag } from '@flowfabric/core'
import { expect, it } from 'vitest'
import { isSoak } from '../support/soak.js'
import { until } from '../support/until.js'
import {
  estimate,
  namespace,
  openSpendingScene,
  partitions,
  rate,
  type SpendingScene,
  slots,
  spenderKinds,
  spentBy,
} from './spending/scene.js'
import { startWatch } from './spending/watch.js'

const kills = Number(process.env.FF_KILLS ?? (isSoak ? 200 : 6))
const patienceMs = 60_000

it(`grants and charges to the unit when engines and workers are killed ${kills} times`, {
  timeout: 180_000 + kills * 5_000,
}, async () => {
  const scene = await openSpendingScene()
  const watch = startWatch(scene)
  await killUnderLoad(scene)
  await expectLimitsAreUsedUp(scene)
  for (const kind of spenderKinds) await scene.limitTo(kind, null)
  await untilAllHaveEnded(scene)
  const heldForMs = await untilNothingIsHeld(scene)
  const watched = await watch.stop()

  expect(watched.findings).toEqual([])
  expect(heldForMs).toBeLessThan(10_000)
  for (const kind of spenderKinds) {
    expect({ kind, used: (await scene.readBudget(kind)).used }).toEqual({
      kind,
      used: { tokens: scene.accepted[kind].length * spentBy(kind) },
    })
  }
  const attempts = await readStarts(scene, [...scene.accepted.frugal, ...scene.accepted.lavish])
  expectRateWasKept(await readStarts(scene, scene.accepted.frugal))
  await expectNothingToReconcile(scene)
  const executions = scene.accepted.frugal.length + scene.accepted.lavish.length
  console.info(
    `${kills} kills: ${executions} executions in ${attempts.length} attempts; ${watched.looks} looks, at most ` +
      `${watched.mostHeld.frugal} and ${watched.mostHeld.lavish} of ${slots} slots and ${watched.mostUnits} of ${rate.units} ` +
      `units; all given back ${Math.round(heldForMs)} ms after the last end`,
  )
})

/** One after the other, at random moments, under a load that goes on meanwhile, and limits that are raised when they are reached. */
async function killUnderLoad(scene: SpendingScene): Promise<void> {
  const { victims } = scene
  let isOver = false
  const load = (async () => {
    while (!isOver) {
      // A little more than the rate lets of the frugal, and than the slots let of the others while some are stuck.
      await scene.submit('frugal', 1)
      await scene.submit('lavish', 2)
      for (const kind of spenderKinds) await raiseIfReached(scene, kind)
      await pause(60)
    }
  })()
  // The first have started by then.
  await pause(2_000)
  const made = () => victims.reduce((sum, victim) => sum + victim.kills, 0)
  while (made() < kills) {
    await pause(300 + Math.random() * 700)
    await victims[Math.floor(Math.random() * victims.length)]?.killAndReplace()
  }
  isOver = true
  await load
}

async function raiseIfReached(scene: SpendingScene, kind: (typeof spenderKinds)[number]): Promise<void> {
  const budget = await scene.readBudget(kind)
  if (budget.waiting > 0) await scene.limitTo(kind, (budget.limits.tokens?.hard ?? 0) + 5 * estimate)
}

/** With more to do than the limits let, as much is granted as fits, and no unit more. */
async function expectLimitsAreUsedUp(scene: SpendingScene): Promise<void> {
  for (const kind of spenderKinds) {
    await scene.submit(kind, 12)
    const budget = await until(
      `no other of ${kind} fits`,
      async () => {
        const read = await scene.readBudget(kind)
        const isIdle = read.waiting > 0 && amountOf(read.reserved, 'tokens') === 0
        return isIdle && amountOf(read.used, 'tokens') + estimate > (read.limits.tokens?.hard ?? 0) && read
      },
      patienceMs,
    )
    const used = amountOf(budget.used, 'tokens')
    const beyond = Math.floor(used / spentBy(kind)) * Math.max(0, spentBy(kind) - estimate)
    expect(used).toBeLessThanOrEqual((budget.limits.tokens?.hard ?? 0) + beyond)
  }
}

async function untilAllHaveEnded({ backend, accepted }: SpendingScene): Promise<void> {
  const open = new Set<ExecutionId>([...accepted.frugal, ...accepted.lavish])
  await until(
    'everything that was accepted has succeeded',
    async () => {
      const ids = [...open].slice(0, 100)
      const { items } = await backend.executions.getResult({ namespace, ids })
      for (const [place, { outcome }] of items.entries()) {
        if (outcome === 'success') open.delete(ids[place] as ExecutionId)
        else expect(outcome).toBe('pending')
      }
      return open.size === 0
    },
    patienceMs + accepted.frugal.length * (rate.windowMs / rate.units),
  )
}

/** How long it took. */
async function untilNothingIsHeld(scene: SpendingScene): Promise<number> {
  const beganAtMs = performance.now()
  await until(
    'nothing is held and nothing reserved',
    async () => {
      for (const kind of spenderKinds) {
        if (amountOf((await scene.readBudget(kind)).reserved, 'tokens') > 0) return false
        if ((await scene.client.quotas.get(scene.slotsId, kind)).held > 0) return false
      }
      return true
    },
    patienceMs,
  )
  return performance.now() - beganAtMs
}

/** When each attempt began, by store time, in order. */
async function readStarts(
  { backend }: SpendingScene,
  ids: readonly ExecutionId[],
): Promise<readonly number[]> {
  const starts: number[] = []
  for (const executionId of ids) {
    const { items } = await backend.attempts.list({ namespace, executionId, limit: limits.pageSizeMax })
    starts.push(...items.map(({ startedAtMs }) => startedAtMs))
  }
  return starts.sort((a, b) => a - b)
}

/** A unit is taken up to a second before its attempt begins, so that a window less a second has no more starts than it has units. */
function expectRateWasKept(starts: readonly number[]): void {
  const spanMs = rate.windowMs - 1_000
  const most = Math.max(
    ...starts.map((fromMs, at) => {
      const end = starts.findIndex((startMs) => startMs >= fromMs + spanMs)
      return (end === -1 ? starts.length : end) - at
    }),
  )
  expect(most).toBeLessThanOrEqual(rate.units)
}

async function expectNothingToReconcile({ backend }: SpendingScene): Promise<void> {
  for (const family of ['budget', 'quota'] as const) {
    const role = family === 'budget' ? backend.budgets : backend.quotas
    for (let index = 0; index < partitions[family]; index += 1) {
      const { items } = await role.reconcile({ partition: makePartitionTag(family, index), max: 500 })
      expect(items).toEqual([])
    }
  }
}
