import { parseArgs } from 'node:util'

export interface CensusArguments {
  /** End after the report instead of serving on. */
  readonly once: boolean
  /** The folder of the embedded store. */
  readonly store: string
  /** The tree to count; by default the one that the current folder is in. */
  readonly tree: string | undefined
  readonly port: number
}

export const usage = `usage: npm start -- [--once] [--store <folder>] [--tree <folder>] [--port <number>]`

/** Throws a TypeError for what it doesn't know. */
export function readArguments(args: readonly string[]): CensusArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      once: { type: 'boolean', default: false },
      store: { type: 'string', default: '.flowfabric' },
      tree: { type: 'string' },
      port: { type: 'string', default: '7400' },
    },
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new TypeError(`${values.port} is no port`)
  return { once: values.once, store: values.store, tree: values.tree, port }
}
