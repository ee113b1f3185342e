import type { EngineView } from '@flowfabric/core'

export type EngineState = 'created' | 'starting' | 'running' | 'stopping' | 'stopped'

/** What a readiness probe asks for; read from what the engine knows, without a call of the store. */
export interface EngineHealth {
  readonly state: EngineState
  /** Running, and nothing in `problems`. */
  readonly isReady: boolean
  /** In words, empty when all is well. */
  readonly problems: readonly string[]
  readonly partitionsOwned: number
  readonly engines: readonly EngineView[]
  /** How long ago the store last answered a look at the owned partitions, and the registry a heartbeat. */
  readonly pulseAgeMs: number | null
  readonly heartbeatAgeMs: number | null
  /** Scanners with partitions of which the last pass failed, and how many. */
  readonly failingScanners: Readonly<Record<string, number>>
  readonly claimsWaiting: number
}

export interface HealthFacts {
  readonly state: EngineState
  readonly hasScanners: boolean
  readonly partitionsOwned: number
  readonly engines: readonly EngineView[]
  readonly pulseAgeMs: number | undefined
  readonly heartbeatAgeMs: number | undefined
  readonly pulseIntervalMs: number
  readonly aliveMs: number
  readonly failing: ReadonlyMap<string, number>
  readonly claimsWaiting: number
}

/** Judges the facts. A scanner that fails on some partitions is reported, but does not make the process unready. */
export function judgeHealth(facts: HealthFacts): EngineHealth {
  const problems: string[] = []
  if (facts.state !== 'running') problems.push(`the engine is ${facts.state}`)
  else if (facts.hasScanners) {
    const { heartbeatAgeMs, pulseAgeMs, aliveMs, pulseIntervalMs, partitionsOwned } = facts
    if (heartbeatAgeMs === undefined) problems.push('the registry of engines has not answered yet')
    else if (heartbeatAgeMs > aliveMs)
      problems.push(`the registry of engines has been silent for ${describe(heartbeatAgeMs)}`)
    const pulseLateMs = pulseIntervalMs * LATE_PULSES
    if (partitionsOwned > 0 && pulseAgeMs === undefined)
      problems.push('the store has not answered a pulse yet')
    else if (partitionsOwned > 0 && pulseAgeMs !== undefined && pulseAgeMs > pulseLateMs) {
      problems.push(`the store has not answered a pulse for ${describe(pulseAgeMs)}`)
    }
  }
  return {
    state: facts.state,
    isReady: problems.length === 0,
    problems,
    partitionsOwned: facts.partitionsOwned,
    engines: facts.engines,
    pulseAgeMs: facts.pulseAgeMs ?? null,
    heartbeatAgeMs: facts.heartbeatAgeMs ?? null,
    failingScanners: Object.fromEntries(facts.failing),
    claimsWaiting: facts.claimsWaiting,
  }
}

const LATE_PULSES = 15

function describe(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}
