/** The store that projects are tested on which name none themselves. */
export interface ChosenStore {
  readonly backend: 'pglite' | 'postgres18' | 'valkey' | 'valkeyCluster'
  /** A server that is there already; without it the run starts its own. */
  readonly url: string | undefined
}

/**
 * Reads the settings by which a server is told its store: `FF_BACKEND`, and `FF_POSTGRES_URL`, or `FF_VALKEY_URL` and
 * `FF_VALKEY_CLUSTER`. `undefined` where `FF_BACKEND` is absent.
 */
export function chooseStore(env: Readonly<Record<string, string | undefined>>): ChosenStore | undefined {
  const { FF_BACKEND: backend, FF_POSTGRES_URL, FF_VALKEY_URL, FF_VALKEY_CLUSTER } = env
  switch (backend) {
    case undefined:
      return undefined
    case 'pglite':
      return { backend, url: undefined }
    case 'postgres':
      return { backend: 'postgres18', url: FF_POSTGRES_URL }
    case 'valkey':
      return { backend: FF_VALKEY_CLUSTER === 'true' ? 'valkeyCluster' : 'valkey', url: FF_VALKEY_URL }
    default:
      throw new Error(`FF_BACKEND is ${backend}, not pglite, postgres or valkey`)
  }
}
