/** A list as Lua answers it: an empty table arrives as an empty map. */
export function asList<Item>(list: readonly Item[]): readonly Item[] {
  return Array.isArray(list) ? list : []
}
