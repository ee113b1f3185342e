import type { Resumption } from '@flowfabric/core'
import type { ToldResumption } from '../channel/handed-out.js'
import { asList } from '../library/as-list.js'
import { resumedByLetters } from '../records/letters.js'
import { readEnds } from './child-ends.js'
import { wholeId } from './ids.js'
import { readSignal } from './told-signals.js'

/** How a suspension was resumed. */
export function readResumption(partition: number, { told, bytes }: ToldResumption): Resumption {
  const [id, by, atMs, ends, isCut, signals] = told
  return {
    suspensionId: wholeId(partition, id),
    by: resumedByLetters.read(by),
    atMs: Number(atMs),
    signals: asList(signals as readonly (readonly unknown[])[]).map((each) =>
      readSignal(partition, each, bytes),
    ),
    signalsTruncated: isCut === true,
    children: readEnds(ends),
  }
}
