import {
  type ClaimedExecution,
  checkClaim,
  checkComplete,
  checkDelay,
  checkFail,
  checkRenew,
  checkRevoke,
  checkYield,
  type LeaseOperations,
  must,
} from '@flowfabric/core'
import { cancelByHolder, followFailure, loseLease, putAside, takeBack } from './attempt-ends.js'
import { claimNext, claimNow, emptyClaim } from './claim.js'
import { cancelCauseOf, findExecution, isActive } from './facts.js'
import { recordedEndOf } from './fencing.js'
import { step } from './step.js'
import { type Model, operate, waitFor } from './store.js'
import { closeAttempt, endExecution, transition } from './transition.js'
import { putDown, write } from './worker-writes.js'

export function createLeases(model: Model): LeaseOperations {
  return {
    claim: async (params) => {
      const look = (): ClaimedExecution[] | undefined => {
        checkClaim(params)
        const leases = claimNow(model, params)
        return leases.length > 0 ? leases : undefined
      }
      const wait = { ms: params.waitMs ?? 0, signal: params.signal }
      const leases = wait.ms > 0 ? await waitFor(model, wait, look) : await operate(model, look)
      return leases === undefined ? emptyClaim(model, params) : { outcome: 'claimed', leases }
    },

    renew: (params) =>
      operate(model, () => {
        const handles = checkRenew(params)
        const items = step(model, () =>
          params.items.map((item, index) =>
            write(model, params.namespaces, handles[index], 'renew', ({ x }) => {
              const lease = must(x.lease, `the lease of ${x.id}`)
              lease.expiresAtMs = Math.max(lease.expiresAtMs, model.clock.nowMs() + item.leaseTtlMs)
              transition(model, x, x.state)
              return {
                outcome: 'renewed' as const,
                expiresAtMs: lease.expiresAtMs,
                cancelRequested: x.cancelRequested,
              }
            }),
          ),
        )
        return { items }
      }),

    complete: (params) =>
      operate(model, () => {
        const handles = checkComplete(params)
        const items = step(model, () =>
          params.items.map((item, index) =>
            putDown(model, params.namespaces, handles[index], 'complete', ({ x, attempt, late }) => {
              closeAttempt(model, attempt, 'ended_success', 'holder')
              endExecution(model, x, { outcome: 'success', result: item.result })
              return { outcome: 'completed' as const, late }
            }),
          ),
        )
        return { items, claimed: claimNext(model, params.next) }
      }),

    fail: (params) =>
      operate(model, () => {
        const handles = checkFail(params)
        const items = step(model, () =>
          params.items.map((item, index) =>
            putDown(model, params.namespaces, handles[index], 'fail', ({ x, attempt, late }) => {
              closeAttempt(model, attempt, 'ended_failure', 'holder', item.failure)
              return followFailure(model, x, item.failure, item.retry, late)
            }),
          ),
        )
        return { items, claimed: claimNext(model, params.next) }
      }),

    delay: (params) =>
      operate(model, () => {
        const handles = checkDelay(params)
        const items = step(model, () =>
          params.items.map((item, index) =>
            putDown(model, params.namespaces, handles[index], 'delay', ({ x, attempt }) => {
              const cause = cancelCauseOf(model, x)
              if (cause !== null) {
                cancelByHolder(model, x, attempt, cause)
                return { outcome: 'cancelled' as const }
              }
              putAside(model, x, attempt, item.untilMs)
              return { outcome: 'delayed' as const, untilMs: item.untilMs }
            }),
          ),
        )
        return { items }
      }),

    yield: (params) =>
      operate(model, () => {
        const handles = checkYield(params)
        const items = step(model, () =>
          params.items.map((_, index) =>
            write(model, params.namespaces, handles[index], 'yield', ({ x, attempt }) => {
              if (attempt.hasEffects) return { outcome: 'attempt_has_effects' as const }
              const cause = cancelCauseOf(model, x)
              if (cause === null) {
                takeBack(model, x, attempt)
                return { outcome: 'yielded' as const }
              }
              attempt.putDown = { operation: 'yield', answer: { outcome: 'cancelled' } }
              cancelByHolder(model, x, attempt, cause)
              return { outcome: 'cancelled' as const }
            }),
          ),
        )
        return { items }
      }),

    revoke: (params) =>
      operate(model, () => {
        checkRevoke(params, model.partitions)
        const x = findExecution(model, params.namespace, params.id)
        if (!isActive(x)) {
          return { outcome: 'execution_not_active' as const, recorded: recordedEndOf(x, x.attempts.at(-1)) }
        }
        return { outcome: 'revoked' as const, next: step(model, () => loseLease(model, x, 'revocation')) }
      }),
  }
}
