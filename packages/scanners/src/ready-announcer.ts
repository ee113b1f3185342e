/**
 * Without it: work whose hint was lost waits until the re-check of those who could do it.
 * May: tell this process's waiting claims about lanes whose best claimable execution has waited for more than 250 ms, and
 * ask for the next pulse 250 ms later while a lane's head moves. It changes nothing in the store.
 * Twice is harmless: a hint is a reason to look, and a claim finds what there is.
 * The filter is applied: a lane of another namespace is not announced.
 */
import type { LaneId, Namespace, PulseScanner, ScannerMetric } from '@flowfabric/core'

const announced: ScannerMetric = {
  name: 'ready_announced_total',
  kind: 'counter',
  help: 'Lanes with waiting work that were announced, by whether their head had moved since the last time.',
  label: 'head',
  values: ['new', 'same'],
}

export interface ReadyAnnouncerOptions {
  readonly intervalMs?: number | undefined
}

export function readyAnnouncer(options: ReadyAnnouncerOptions = {}): PulseScanner {
  const intervalMs = options.intervalMs ?? 250
  /** The head of each lane as it was announced last, and how often in a row. */
  const known = new Map<string, { readonly readyAtMs: number; readonly times: number }>()
  return {
    name: 'ready_announcer',
    scope: 'pulse',
    appliesFilter: true,
    metrics: [announced],
    readPulse(context, pulse) {
      // A pulse may speak of some partitions only, so what it doesn't name is kept.
      if (known.size > LANES_MAX) known.clear()
      let lanes = 0
      let isMoving = false
      for (const { namespace, lane, readyAtMs } of pulse.waitingLanes) {
        if (context.filter.namespaces?.includes(namespace) === false) continue
        const key = `${namespace}/${lane}`
        const before = known.get(key)
        const times = before?.readyAtMs === readyAtMs ? before.times + 1 : 1
        known.set(key, { readyAtMs, times })
        lanes++
        // A head that nobody takes has no worker: the usual pulses announce it often enough.
        if (times <= QUICK_TIMES) isMoving = true
        context.count(announced, times === 1 ? 'new' : 'same')
        announce(namespace, lane)
      }
      return {
        processed: lanes,
        errors: 0,
        nextDueAtMs: isMoving ? pulse.nowMs + intervalMs : undefined,
      }

      function announce(namespace: Namespace, lane: LaneId): void {
        context.announce({ type: 'ready', namespace, lane, count: 0 })
      }
    },
  }
}

/** How often an unmoved head is announced quickly. */
const QUICK_TIMES = 4

const LANES_MAX = 10_000
