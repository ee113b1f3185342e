/** Things of which a call holds each once, and others point to by place from 1. */
export interface Interned<Item> {
  readonly list: Item[]
  placeOf(item: Item): number
}

export function interned<Item>(keyOf: (item: Item) => string): Interned<Item> {
  const places = new Map<string, number>()
  const list: Item[] = []
  return {
    list,
    placeOf(item: Item): number {
      const key = keyOf(item)
      let place = places.get(key)
      if (place === undefined) {
        place = list.push(item)
        places.set(key, place)
      }
      return place
    },
  }
}
