import type { ChildEnd } from '@flowfabric/core'
import { asList } from '../library/as-list.js'
import { childEndLetters } from '../records/letters.js'

export type PackedEnd = [id: string, generation: number, outcome: string]

export function packEnd({ id, generation, outcome }: ChildEnd): PackedEnd {
  return [id, generation, childEndLetters.write(outcome)]
}

export function readEnds(told: unknown): readonly ChildEnd[] {
  return asList(told as readonly (readonly unknown[])[]).map(([id, generation, letter]) => ({
    id: id as ChildEnd['id'],
    generation: Number(generation),
    outcome: childEndLetters.read(letter),
  }))
}
