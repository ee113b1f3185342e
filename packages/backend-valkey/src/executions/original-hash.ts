import { type GetExecution, hashInput } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { executionFields as X } from '../generated/layouts.js'
import { readStored, textAt } from '../records/stored-execution.js'
import { addressOf, operate } from './operate.js'

/**
 * The hash of the input that an execution was submitted with, to be stored before that input is replaced: a repeat of the
 * submission is compared with it. Throws `execution_not_found`.
 */
export async function readOriginalHash(ctx: ValkeyContext, params: GetExecution): Promise<string> {
  const { uuid } = addressOf(params.id)
  const { bytes } = await operate(ctx, params, {
    name: 'executions_get_input',
    args: [params.namespace, uuid],
  })
  const [record, outside] = bytes
  const stored = readStored(record ?? new Uint8Array(), params.id)
  const stated = textAt(stored.fields, X.hash)
  if (stated !== '') return stated
  return hashInput(stored.input === 'outside' ? (outside ?? null) : stored.input)
}
