import type { FoundationBackend } from '@flowfabric/core'
import type { Scheduler } from '../scheduler/scheduler.js'
import type { WakeupHub } from '../wakeups/wakeup-hub.js'

/**
 * The contract's roles as this process offers them to its clients and workers: claims wait in the scheduler instead of
 * the store, and hints come from the one subscription that the process has.
 */
export function serveBackend(
  backend: FoundationBackend,
  scheduler: Scheduler,
  hub: WakeupHub,
): FoundationBackend {
  const { leases, events } = backend
  return {
    ...backend,
    leases: {
      claim: (request) => scheduler.claim(request),
      renew: (params) => leases.renew(params),
      complete: (params) => leases.complete(params),
      fail: (params) => leases.fail(params),
      delay: (params) => leases.delay(params),
      yield: (params) => leases.yield(params),
      revoke: (params) => leases.revoke(params),
    },
    events: {
      read: (params) => events.read(params),
      listen: ({ onHint }) => hub.listen(onHint),
    },
  }
}
