import type { Connection } from '../connection/open.js'
import type { ValkeyContext } from '../context.js'
import { library } from '../generated/library.js'
import { asList } from './as-list.js'

/**
 * Removes versions of the library that no engine and no worker of the registries uses any more. Who still does, such as a
 * process that only submits, or another deployment on the same servers, loads its own again with its next call.
 */
export async function removeUnused(
  ctx: Pick<ValkeyContext, 'connection' | 'invoke'>,
  tag: string,
): Promise<void> {
  const { reply } = await ctx.invoke({ name: 'maintenance_libraries', tag, args: [] })
  const used = new Set([library.name, ...asList(reply)])
  const connection = await ctx.connection()
  await Promise.all(connection.primaries().map(({ name }) => removeOn(connection, name, used)))
}

async function removeOn(connection: Connection, node: string, used: ReadonlySet<string>): Promise<void> {
  try {
    const listed = await connection.callOn(node, ['FUNCTION', 'LIST', 'LIBRARYNAME', 'flowfabric_*'], {
      idempotent: true,
    })
    for (const fields of Array.isArray(listed) ? listed : []) {
      const name = Array.isArray(fields) ? String(fields[fields.findIndex(isNameField) + 1]) : ''
      if (!OWN_NAME.test(name) || used.has(name)) continue
      await connection.callOn(node, ['FUNCTION', 'DELETE', name], { idempotent: true })
    }
  } catch {
    // Somebody else may have removed it, or the user may not. What is left over harms nobody.
  }
}

const OWN_NAME = /^flowfabric_\d+_[0-9a-f]{8}$/

function isNameField(field: unknown): boolean {
  return String(field) === 'library_name'
}
