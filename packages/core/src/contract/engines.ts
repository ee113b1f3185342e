import type { InstanceId } from '../ids/index.js'

/** The registry behind partition ownership. */
export interface EngineOperations {
  /** Say that this engine lives, and learn who else does (seen within `aliveMs`, default 15 s). With `goodbye` it is removed at once. */
  heartbeat(
    params: EngineHeartbeat,
  ): Promise<{ readonly outcome: 'beating'; readonly engines: readonly EngineView[]; readonly nowMs: number }>

  list(): Promise<{ readonly outcome: 'listed'; readonly engines: readonly EngineView[] }>
}

export interface EngineHeartbeat {
  readonly engineId: InstanceId
  /** For people: where it runs, such as `host:pid`. */
  readonly label: string
  readonly goodbye?: boolean | undefined
  readonly aliveMs?: number | undefined
}

export interface EngineView {
  readonly engineId: InstanceId
  readonly label: string
  readonly startedAtMs: number
  readonly lastSeenAtMs: number
}
