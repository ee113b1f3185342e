import { type EngineError, type ItemError, isEngineError } from '@flowfabric/core'

/** What the store found wrong with one item, or with what is stored of it, is that item's answer; anything else is the call's failure. */
export function toItemError(fault: unknown): ItemError {
  if (isEngineError(fault) && isOfItem(fault)) return { outcome: 'error', error: fault }
  throw fault
}

/** Whether it says something of one item, so that others may fare better. */
export function isOfItem({ kind }: EngineError): boolean {
  return kind === 'validation' || kind === 'corruption'
}
