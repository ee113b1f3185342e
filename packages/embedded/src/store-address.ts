import { engineError } from '@flowfabric/core'

/** Where a store is, as `createEmbedded` is told. */
export type StoreAddress =
  /** PGlite in a folder, locked to this process. */
  | { readonly kind: 'folder'; readonly folder: string }
  /** PGlite in memory: it ends with the process. */
  | { readonly kind: 'memory' }
  | { readonly kind: 'postgres'; readonly connectionString: string }
  | { readonly kind: 'valkey'; readonly url: string }

const valkeySchemes = ['valkey', 'valkeys', 'redis', 'rediss']
const known = 'a folder, :memory:, postgres://… or valkey://…'

/** Reads a folder, `:memory:`, or the address of a server. Throws `invalid_configuration`. */
export function readStoreAddress(store: string): StoreAddress {
  if (store === '') throw engineError('invalid_configuration', `The store must be named: ${known}`)
  if (store === ':memory:') return { kind: 'memory' }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(store)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'folder', folder: store }
  if (scheme === 'postgres' || scheme === 'postgresql') return { kind: 'postgres', connectionString: store }
  if (valkeySchemes.includes(scheme)) return { kind: 'valkey', url: store }
  throw engineError('invalid_configuration', `A store at ${scheme}:// is not known here: give ${known}`)
}

/** The address for people: without a password. */
export function describeAddress(address: StoreAddress): string {
  switch (address.kind) {
    case 'folder':
      return address.folder
    case 'memory':
      return ':memory:'
    case 'postgres':
      return withoutPassword(address.connectionString)
    case 'valkey':
      return withoutPassword(address.url)
  }
}

function withoutPassword(url: string): string {
  return url.replace(
    /^([a-z+]+:\/\/)([^@/]*)@/i,
    (_all, scheme: string, login: string) => `${scheme}${login.split(':', 1)[0]}@`,
  )
}
