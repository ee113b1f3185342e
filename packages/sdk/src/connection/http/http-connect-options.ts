/** A server, by its address. */
export interface HttpConnectOptions {
  /** Such as `http://127.0.0.1:7400`. */
  readonly url: string
  readonly token?: string | undefined
  /** Default `default`. */
  readonly namespace?: string | undefined
  /** Where others reach the server, for the addresses of waitpoints; default: `url`. */
  readonly publicUrl?: string | undefined
  /** How long a call may take beyond the time that it asks the server to wait, default 30 s. */
  readonly timeoutMs?: number | undefined
  /** For tests and proxies, such as the global one; default: Node's own client, with its connections kept, which follows no redirect. */
  readonly fetch?: typeof globalThis.fetch | undefined
}
