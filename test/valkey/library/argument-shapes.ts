import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readHeader } from '../../../packages/backend-valkey/scripts/read-header.mjs'

/** What the header of a function says of an argument. */
export type Shape =
  | { readonly kind: 'string' | 'int' | 'number' | 'boolean' | 'unknown' }
  | { readonly kind: 'list'; readonly of: Shape }
  | { readonly kind: 'tuple'; readonly items: readonly Shape[] }

export interface FunctionShape {
  readonly name: string
  readonly args: readonly Shape[]
}

const folder = join(import.meta.dirname, '../../../packages/backend-valkey/lua')

/** Every function of the library with its arguments, as the Lua files themselves say. */
export function readFunctionShapes(): readonly FunctionShape[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.lua') && !file.startsWith('shared/'))
    .sort()
    .map((file) => {
      const { name, args } = readHeader(file, readFileSync(join(folder, file), 'utf8'))
      return { name, args: args.items as readonly Shape[] }
    })
}
