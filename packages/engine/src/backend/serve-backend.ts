import { chosenHints, type FoundationBackend } from '@flowfabric/core'
import type { Scheduler } from '../scheduler/scheduler.js'
import type { WakeupHub } from '../wakeups/wakeup-hub.js'

/**
 * The contract's roles as this process offers them to its clients and workers: claims wait in the scheduler instead of
 * the store, and hints come from the one subscription that the process has. Plain objects, so that callers may wrap them.
 */
export function serveBackend(
  backend: FoundationBackend,
  scheduler: Scheduler,
  hub: WakeupHub,
): FoundationBackend {
  const { executions, leases, events } = backend
  return {
    ...backend,
    executions: {
      submit: (params) => scheduler.submit(params),
      get: (params) => executions.get(params),
      getResult: (params) => executions.getResult(params),
      list: (params) => executions.list(params),
      count: (params) => executions.count(params),
      cancel: (params) => executions.cancel(params),
      replay: (params) => executions.replay(params),
      hold: (params) => executions.hold(params),
      release: (params) => executions.release(params),
      changePriority: (params) => executions.changePriority(params),
      setTags: (params) => executions.setTags(params),
      explainFacts: (params) => executions.explainFacts(params),
    },
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
      listen: (params) => hub.listen(chosenHints(params)),
    },
  }
}
