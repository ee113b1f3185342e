import { parseArgs } from 'node:util'

export interface ApprovalArguments {
  /** Names the order: the same one again goes on with it. */
  readonly order: string
  /** The folder of the embedded store, and of the secrets that sign links. */
  readonly store: string
  readonly port: number
}

export const usage = 'usage: approval [--order <name>] [--store <folder>] [--port <number>]'

/** Throws a TypeError for what it doesn't know. */
export function readArguments(args: readonly string[]): ApprovalArguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      order: { type: 'string', default: `order-${Date.now()}` },
      store: { type: 'string', default: '.flowfabric-approval' },
      port: { type: 'string', default: '7400' },
    },
  })
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new TypeError(`${values.port} is no port`)
  return { order: values.order, store: values.store, port }
}
