import type { ExecutionFilter } from '../contract/executions.js'

type Times = Pick<ExecutionFilter, 'createdBeforeMs' | 'endedFromMs' | 'endedBeforeMs'>

/** Whether only what has ended is asked for. */
export function asksForEnded({ endedFromMs, endedBeforeMs }: Times): boolean {
  return endedFromMs !== undefined || endedBeforeMs !== undefined
}

/** Where a listing by creation begins: nothing ends before it was created. */
export function createdBefore({ createdBeforeMs, endedBeforeMs }: Times): number | undefined {
  if (createdBeforeMs === undefined) return endedBeforeMs
  return endedBeforeMs === undefined ? createdBeforeMs : Math.min(createdBeforeMs, endedBeforeMs)
}
