/** Where a server listens. */
export interface Address {
  /** A host name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
}

/** `host:port`, with brackets around an IPv6 address: the name of a node everywhere in this package. */
export function nameOf({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * Reads `host:port`. The last colon parts the two, since servers write IPv6 addresses without brackets in `MOVED`. The
 * host is empty in `:6379`, by which a server means the host that it was asked at. `undefined` when it is no address.
 */
export function parseAddress(text: string): Address | undefined {
  const match = /^(.*):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const host = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1')
  const port = Number(match[2])
  return port >= 1 && port <= 65_535 ? { host: host === '?' ? '' : host, port } : undefined
}
