import { type FoundationBackend, isEngineError } from '@flowfabric/core'
import type { Clock } from '../clock.js'
import type { EngineMetrics } from '../metrics/engine-metrics.js'

/** The same store, with every call counted and timed under the name of its operation. */
export function measureBackend(
  backend: FoundationBackend,
  metrics: EngineMetrics,
  clock: Clock,
): FoundationBackend {
  const roles = roleNames.map((role) => [role, measureRole(role, backend[role], metrics, clock)] as const)
  return { kind: backend.kind, ...Object.fromEntries(roles) } as FoundationBackend
}

const roleNames = [
  'executions',
  'leases',
  'attempts',
  'flows',
  'resolution',
  'suspensions',
  'streams',
  'budgets',
  'quotas',
  'lanes',
  'workers',
  'engines',
  'schedules',
  'operations',
  'keyring',
  'access',
  'events',
  'webhooks',
  'audit',
  'maintenance',
] as const satisfies readonly Exclude<keyof FoundationBackend, 'kind'>[]

type Operation = (...params: unknown[]) => unknown

/** A proxy, because a role may be an object with methods, an instance of a class, or made of getters: all stay as they are. */
function measureRole<Role extends object>(
  name: string,
  role: Role,
  metrics: EngineMetrics,
  clock: Clock,
): Role {
  const measured = new Map<string, Operation>()
  return new Proxy(role, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function' || typeof property !== 'string') return value
      const known = measured.get(property)
      if (known !== undefined) return known
      const call = measureOperation(`${name}.${property}`, value.bind(target) as Operation, metrics, clock)
      measured.set(property, call)
      return call
    },
  })
}

function measureOperation(
  operation: string,
  call: Operation,
  metrics: EngineMetrics,
  clock: Clock,
): Operation {
  return (...params) => {
    const startedAtMs = clock.nowMs()
    const answer = call(...params)
    // `listen` answers at once; it is a subscription, not a call.
    if (!(answer instanceof Promise)) return answer
    return answer.then(
      (value: unknown) => {
        metrics.storeCalls.add(1, { operation, outcome: 'ok' })
        metrics.storeCallMs.observe(clock.nowMs() - startedAtMs, { operation })
        return value
      },
      (error: unknown) => {
        metrics.storeCalls.add(1, { operation, outcome: isEngineError(error) ? error.kind : 'fault' })
        metrics.storeCallMs.observe(clock.nowMs() - startedAtMs, { operation })
        throw error
      },
    )
  }
}
