/**
 * A stored array with its fields' names instead of their places. A field that the record is too old for is left out; one that
 * this version doesn't know stands under its place.
 */
export function nameFields(
  fields: readonly unknown[],
  places: Readonly<Record<string, number>>,
): Readonly<Record<string, unknown>> {
  const names = new Map(Object.entries(places).map(([name, place]) => [place, name]))
  return Object.fromEntries(fields.map((value, place) => [names.get(place) ?? `field ${place}`, value]))
}
