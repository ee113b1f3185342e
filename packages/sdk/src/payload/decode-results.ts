import type { Bytes } from '@flowfabric/core'
import { type Codec, decodePayload } from './codec.js'

/** The results of a flow's nodes: under the keys of its definition, or without one under the nodes' own names. */
export async function decodeResults(
  codec: Codec,
  results: Readonly<Record<string, Bytes | null>>,
  names: Readonly<Record<string, string>> | undefined,
): Promise<Readonly<Record<string, unknown>>> {
  const keys =
    names === undefined ? Object.keys(results).map((name) => [name, name] as const) : Object.entries(names)
  const decoded = keys.map(async ([key, name]) => {
    const bytes = results[name]
    return [key, bytes === undefined ? undefined : await decodePayload(codec, bytes)] as const
  })
  return Object.fromEntries(await Promise.all(decoded))
}
