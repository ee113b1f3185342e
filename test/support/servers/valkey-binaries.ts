import { findUnpackedOrUnpack, runs, type ServerBinary } from './unpacked-binary.js'

export type ValkeyBinary = ServerBinary

const installLine =
  'set VALKEY_SERVER to a valkey-server, or install one: `apt-get install valkey-server` ' +
  '(Debian 12: with `-t bookworm-backports`), `brew install valkey`'

/** `VALKEY_SERVER`, else the system's, else what was unpacked before, else Debian's or Ubuntu's packages. */
export async function findValkey(): Promise<ValkeyBinary> {
  const named = process.env.VALKEY_SERVER
  if (named) {
    const binary = { server: named, env: {} }
    if (await runs(binary)) return binary
    throw new Error(`VALKEY_SERVER is ${named}, which cannot be run: ${installLine}`)
  }
  const installed = { server: 'valkey-server', env: {} }
  if (await runs(installed)) return installed
  return findUnpackedOrUnpack({
    packageName: 'valkey-server',
    path: 'usr/bin/valkey-server',
    installLine,
  })
}
