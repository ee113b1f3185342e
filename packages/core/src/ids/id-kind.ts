import { cutText } from '../errors/cut-text.js'
import { type EngineError, engineError } from '../errors/engine-error.js'
import { describeFault, type PartitionTagFault } from '../partitions/partition-tag.js'

/** The kinds of ids that are a bare UUID. */
export type UuidIdKind =
  | 'flow'
  | 'attempt'
  | 'lease'
  | 'edge'
  | 'budget'
  | 'quota'
  | 'schedule'
  | 'operation'
  | 'webhook'
  | 'token'
  | 'instance'
  | 'claim'

/** The kinds of ids that carry their partition. */
export type PartitionedIdKind = 'execution' | 'waitpoint' | 'suspension' | 'signal' | 'entry'

/** Every kind of id; the code of a parse failure is `invalid_<kind>_id`. */
export type IdKind = UuidIdKind | PartitionedIdKind

/** What can be wrong with the text of an id. */
export type IdFault =
  | 'not_a_text'
  | 'not_a_uuid'
  | 'not_lower_case'
  | 'without_partition'
  | 'wrong_family'
  | PartitionTagFault

/** The error of an id that does not parse: it names the kind of id and the fault. */
export function invalidId(idKind: IdKind, fault: IdFault, value: unknown): EngineError {
  const shown = cutText(value)
  return engineError(
    `invalid_${idKind}_id`,
    `Not an id of kind ${idKind} (${describeFault(fault)}): ${shown}`,
    {
      idKind,
      fault,
      value: shown,
    },
  )
}
