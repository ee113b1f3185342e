import type { Connection } from '../connection/open.js'
import { library } from '../generated/library.js'

/** Loads the library on one node. Its name says its content, so one that is there already is the same. */
export async function loadLibrary(connection: Connection, node: string): Promise<void> {
  try {
    await connection.callOn(node, ['FUNCTION', 'LOAD', library.source], { idempotent: true })
  } catch (fault) {
    if (!(fault instanceof Error) || !fault.message.includes('already exists')) throw fault
  }
}

/** On every primary. */
export async function loadEverywhere(connection: Connection): Promise<void> {
  await Promise.all(connection.primaries().map(({ name }) => loadLibrary(connection, name)))
}
