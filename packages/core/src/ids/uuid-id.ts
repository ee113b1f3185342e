import { applyBrand, type Brand } from '../brand.js'
import { type IdFault, invalidId, type UuidIdKind } from './id-kind.js'
import { mintUuid } from './mint-uuid.js'
import { isUuid } from './uuid.js'

/** How ids of one kind are read and made. */
export interface UuidIdGrammar<Id> {
  readonly parse: (text: string) => Id
  readonly matches: (value: unknown) => value is Id
  readonly mint: () => Id
}

/** The grammar of a kind of ids that are a bare UUID, in lower case. */
export function createUuidIdGrammar<Id extends Brand<string, string>>(idKind: UuidIdKind): UuidIdGrammar<Id> {
  return {
    parse: (text) => {
      const fault = findUuidFault(text)
      if (fault !== undefined) throw invalidId(idKind, fault, text)
      return applyBrand<Id>(text)
    },
    matches: (value): value is Id => typeof value === 'string' && isUuid(value),
    mint: () => applyBrand<Id>(mintUuid()),
  }
}

/** What is wrong with the text of a UUID, if anything. */
export function findUuidFault(text: unknown): IdFault | undefined {
  if (typeof text !== 'string') return 'not_a_text'
  if (isUuid(text)) return undefined
  return isUuid(text.toLowerCase()) ? 'not_lower_case' : 'not_a_uuid'
}
