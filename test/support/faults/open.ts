import type { TestBackend } from '../backends.js'
import type { Faults, StoreFaults } from './faults.js'
import { createModelFaults } from './model-faults.js'
import { createSqlFaults } from './sql-faults.js'
import { createValkeyFaults } from './valkey-faults.js'

/** The fault hooks of the store that a test has open. */
export function createFaults(opened: TestBackend): Faults {
  const { inside } = opened
  return 'model' in inside ? createModelFaults(inside.model) : createStoreFaults(opened)
}

/** The hooks that only a store with tables or keys has; throws on the model, whose project leaves such files out. */
export function createStoreFaults({ inside, partitions, name }: TestBackend): StoreFaults {
  if ('model' in inside) throw new Error(`${name} has no tables to break`)
  if ('pool' in inside) return createSqlFaults(inside, partitions)
  return createValkeyFaults(inside, partitions)
}
