import { resolve } from 'node:path'
import type { EmbeddedOptions } from '@flowfabric/embedded'

export type ExampleStore = Pick<EmbeddedOptions, 'store' | 'valkey'>

/**
 * Where an example keeps its work: in a folder, unless `FF_BACKEND` names a server's kind and `FF_POSTGRES_URL` or `FF_VALKEY_URL` where
 * it is, with `FF_VALKEY_CLUSTER=true` for a node of a Cluster and `FF_VALKEY_KEY_PREFIX` for keys that begin otherwise: as a
 * server is told. Throws a TypeError for what it doesn't know.
 */
export function chooseStore(folder: string, env: Readonly<Record<string, string | undefined>>): ExampleStore {
  switch (env.FF_BACKEND) {
    case undefined:
    case 'pglite':
      return { store: resolve(folder) }
    case 'postgres':
      return { store: env.FF_POSTGRES_URL ?? needs('postgres', 'FF_POSTGRES_URL') }
    case 'valkey':
      return {
        store: env.FF_VALKEY_URL ?? needs('valkey', 'FF_VALKEY_URL'),
        valkey: { cluster: env.FF_VALKEY_CLUSTER === 'true', keyPrefix: env.FF_VALKEY_KEY_PREFIX },
      }
    default:
      throw new TypeError(`FF_BACKEND is ${env.FF_BACKEND}, not pglite, postgres or valkey`)
  }
}

function needs(backend: string, variable: string): never {
  throw new TypeError(`FF_BACKEND=${backend} needs ${variable}`)
}
