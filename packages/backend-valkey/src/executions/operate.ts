import {
  type ExecutionId,
  type ExecutionTerminal,
  type GetExecution,
  partitionIndexOf,
  type RecordedOutcome,
  uuidOf,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { Answer, FunctionName, Invocation } from '../library/invoke.js'
import { orNotFound } from '../library/not-found.js'
import { outcomeLetters } from '../records/letters.js'
import { executionNotFound } from './get.js'

/** Partition and id of an execution, as functions are called with. */
export function addressOf(id: ExecutionId): { readonly tag: string; readonly uuid: string } {
  return { tag: `fp:${partitionIndexOf(id)}`, uuid: uuidOf(id) }
}

/** Calls a function that is about one execution. Throws `execution_not_found`, also for another namespace's. */
export function operate<Name extends FunctionName>(
  ctx: ValkeyContext,
  { id }: GetExecution,
  invocation: Omit<Invocation<Name>, 'tag'>,
): Promise<Answer<Name>> {
  const { tag } = addressOf(id)
  return orNotFound(ctx.invoke<Name>({ ...invocation, tag }), () => executionNotFound(id))
}

/** The outcome that says that an execution has ended; `undefined` while it hasn't. */
export function terminalAnswer([outcome, letter]: readonly unknown[]): ExecutionTerminal | undefined {
  if (outcome !== 'execution_terminal') return undefined
  return { outcome, terminalOutcome: outcomeLetters.read(letter) as RecordedOutcome }
}
