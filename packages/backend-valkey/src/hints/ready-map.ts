/**
 * What this process knows of work that can be claimed: per partition and route, whether there is some. It is fed by the
 * answers of its own calls and by other processes' messages, so that claims ask only where work is, and nobody polls.
 *
 * Each piece of news carries the partition's edge number: how often a ready set went from empty to not empty there. So an
 * answer that says "empty" cannot hide a message that is younger, in whichever order the two arrive.
 */
export interface ReadyMap {
  /** Whether everything that was ready when the process began to listen is known. */
  isKnown(tag: string): boolean
  /** The answer of the look that makes a partition known. */
  learn(tag: string, edges: number, readyRids: readonly string[]): void
  /** The listener was away: whatever happened meanwhile is not known. */
  forget(tag: string): void
  forgetAll(): void
  /** How many are ready in these routes, as of a call or message. */
  note(tag: string, edges: number, ready: ReadonlyMap<string, number>): void
  /** Partitions with work in one of these routes, those that waited longest for a look first. */
  find(rids: ReadonlySet<string>): readonly ReadyPartition[]
  /** A claim looked there: others have their turn. */
  touch(tag: string): void
  /**
   * A claim found nothing to take of these there, as of that edge number: not to be asked again before there is news.
   */
  stall(tag: string, rids: readonly string[], edges: number): void
  /** Partitions that are not known. */
  unknown(): readonly string[]
}

export interface ReadyPartition {
  readonly tag: string
  /** Routes with work, and how much of it is known, at least 1. */
  readonly ready: ReadonlyMap<string, number>
}

interface PartitionState {
  readonly tag: string
  isKnown: boolean
  edges: number
  readonly ready: Map<string, { count: number; edges: number }>
  lookedAt: number
}

export function createReadyMap(tags: readonly string[]): ReadyMap {
  // A list beside the map: claims go through all of them again and again.
  const states = tags.map(
    (tag): PartitionState => ({ tag, isKnown: false, edges: 0, ready: new Map(), lookedAt: 0 }),
  )
  const byTag = new Map(states.map((state) => [state.tag, state]))
  let looks = 0
  const stateOf = (tag: string): PartitionState => {
    const state = byTag.get(tag)
    if (state === undefined) throw new Error(`${tag} is no partition of this deployment`)
    return state
  }

  const note = (state: PartitionState, edges: number, rid: string, count: number) => {
    const known = state.ready.get(rid)
    if (known !== undefined && known.edges > edges) return
    if (count === 0) state.ready.delete(rid)
    else state.ready.set(rid, { count, edges })
    state.edges = Math.max(state.edges, edges)
  }

  return {
    isKnown: (tag) => stateOf(tag).isKnown,
    learn(tag, edges, readyRids) {
      const state = stateOf(tag)
      for (const rid of readyRids) note(state, edges, rid, 1)
      state.isKnown = true
    },
    forget(tag) {
      stateOf(tag).isKnown = false
    },
    forgetAll() {
      for (const state of states) state.isKnown = false
    },
    note(tag, edges, ready) {
      const state = stateOf(tag)
      for (const [rid, count] of ready) note(state, edges, rid, count)
    },
    find(rids) {
      const found: (ReadyPartition & { readonly lookedAt: number })[] = []
      for (const { tag, ready, lookedAt } of states) {
        if (ready.size === 0) continue
        const served = new Map<string, number>()
        for (const [rid, { count }] of ready) if (rids.has(rid)) served.set(rid, count)
        if (served.size > 0) found.push({ tag, ready: served, lookedAt })
      }
      return found.sort((a, b) => a.lookedAt - b.lookedAt)
    },
    touch(tag) {
      looks += 1
      stateOf(tag).lookedAt = looks
    },
    stall(tag, rids, edges) {
      const { ready } = stateOf(tag)
      for (const rid of rids) if ((ready.get(rid)?.edges ?? 0) <= edges) ready.delete(rid)
    },
    unknown: () => states.filter(({ isKnown }) => !isKnown).map(({ tag }) => tag),
  }
}
