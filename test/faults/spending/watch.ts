import { setTimeout as pause } from 'node:timers/promises'
import { amountOf } from '@flowfabric/core'
import {
  estimate,
  rate,
  type SpenderKind,
  type SpendingScene,
  slots,
  spenderKinds,
  spentBy,
} from './scene.js'

/** What was seen while processes died. */
export interface Watched {
  readonly looks: number
  /** Of each kind, how many slots were held at most. */
  readonly mostHeld: Readonly<Record<SpenderKind, number>>
  readonly mostUnits: number
  /** What may never be seen, in words. */
  readonly findings: readonly string[]
}

/** Looks again and again whether more is granted than the limits let. */
export function startWatch(scene: SpendingScene): { stop(): Promise<Watched> } {
  const findings = new Set<string>()
  const mostHeld = { frugal: 0, lavish: 0 }
  let mostUnits = 0
  let looks = 0
  let isOver = false
  const look = async () => {
    for (const kind of spenderKinds) {
      const { held } = await scene.client.quotas.get(scene.slotsId, kind)
      mostHeld[kind] = Math.max(mostHeld[kind], held)
      if (held > slots) findings.add(`${held} slots of ${kind} are held`)
      const finding = await judgeBudget(scene, kind)
      if (finding !== undefined) findings.add(finding)
    }
    const { unitsInWindow } = await scene.client.quotas.get(scene.rateId)
    mostUnits = Math.max(mostUnits, unitsInWindow)
    if (unitsInWindow > rate.units) findings.add(`${unitsInWindow} units are in a window`)
    looks += 1
  }
  const watching = (async () => {
    while (!isOver) {
      await look()
      await pause(20)
    }
  })()
  return {
    async stop() {
      isOver = true
      await watching
      return { looks, mostHeld, mostUnits, findings: [...findings] }
    },
  }
}

/** Only what was reported beyond the estimates may be past the limit. Each that spent its second share did so by as much at most. */
async function judgeBudget(scene: SpendingScene, kind: SpenderKind): Promise<string | undefined> {
  const { used, reserved, limits } = await scene.readBudget(kind)
  const hard = limits.tokens?.hard ?? null
  if (hard === null) return undefined
  const total = amountOf(used, 'tokens') + amountOf(reserved, 'tokens')
  const ended = Math.floor(amountOf(used, 'tokens') / spentBy(kind))
  const beyond = ended * Math.max(0, spentBy(kind) - estimate)
  return total > hard + beyond ? `${total} of ${hard} + ${beyond} tokens of ${kind} are granted` : undefined
}
