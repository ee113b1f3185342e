import { engineError } from '@flowfabric/core'

/** The error of a record that is not what it should be. */
export function unreadable(what: string) {
  return engineError('corruption', `The record of ${what} does not decode`, { subject: what })
}
