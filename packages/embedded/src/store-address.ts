import { engineError } from '@flowfabric/core'

/** Where a store is, as `createEmbedded` is told. */
export type StoreAddress =
  /** PGlite in a folder, locked to this process. */
  | { readonly kind: 'folder'; readonly folder: string }
  /** PGlite in memory: it ends with the process. */
  | { readonly kind: 'memory' }
  | { readonly kind: 'postgres'; readonly connectionString: string }

/** Reads a folder, `:memory:`, or a `postgres://` address. Throws `invalid_configuration`. */
export function readStoreAddress(store: string): StoreAddress {
  if (store === '')
    throw engineError('invalid_configuration', 'The store must be named: a folder, :memory: or postgres://…')
  if (store === ':memory:') return { kind: 'memory' }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(store)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'folder', folder: store }
  if (scheme === 'postgres' || scheme === 'postgresql') return { kind: 'postgres', connectionString: store }
  throw engineError(
    'invalid_configuration',
    `A store at ${scheme}:// is not known here: give a folder, :memory: or postgres://…`,
  )
}

/** The address for people: without a password. */
export function describeAddress(address: StoreAddress): string {
  switch (address.kind) {
    case 'folder':
      return address.folder
    case 'memory':
      return ':memory:'
    case 'postgres':
      return address.connectionString.replace(
        /^([a-z+]+:\/\/)([^@/]*)@/i,
        (_all, scheme: string, login: string) => {
          return `${scheme}${login.split(':', 1)[0]}@`
        },
      )
  }
}
