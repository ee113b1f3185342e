import type { AppendAudit } from '@flowfabric/core'
import type { Chooser } from '../chooser.js'
import type { Call, World } from '../world.js'

const actors: readonly [string, string] = ['token:1', 'token:2']

export function append(c: Chooser, world: World): Call {
  const entry: AppendAudit = {
    actionId: c.of(world.actions),
    // Without one only the actor would tell it from another run's.
    namespace: c.of([world.namespace, world.foreign]),
    actor: c.of(actors),
    action: 'executions.cancel',
    subjects: c.of<readonly string[]>([[], ['a'], ['a', 'b']]),
    reason: c.of([null, '', 'because']),
    outcome: c.rarely(8) ? '' : c.of([null, 'cancelled']),
  }
  return {
    text: `audit.append ${JSON.stringify(entry)}`,
    on: (backend) => backend.audit.append(entry),
  }
}

export function list(c: Chooser, world: World): Call {
  const params = {
    namespace: c.of([world.namespace, world.foreign]),
    ...(c.rarely(2) ? { actor: c.of(actors) } : {}),
    ...(c.rarely(2) ? { subject: c.of(['a', 'b', 'c']) } : {}),
    ...(c.rarely(3) ? { limit: 1 } : {}),
    ...(c.rarely(6) ? { cursor: 'p1' } : {}),
  }
  return { text: `audit.list ${JSON.stringify(params)}`, on: (backend) => backend.audit.list(params) }
}
