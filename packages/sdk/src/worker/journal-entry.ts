import type { Bytes, StepRecord } from '@flowfabric/core'

/** Entries that this package writes for itself, beside the results of steps, which are the codec's. */
export function writeEntry(entry: object): Bytes {
  return Buffer.from(JSON.stringify(entry), 'utf8')
}

export function readEntry<Entry>({ result }: StepRecord): Entry {
  return JSON.parse(Buffer.from(result ?? []).toString('utf8')) as Entry
}
