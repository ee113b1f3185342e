import { randomBytes } from 'node:crypto'
import type { Embedded } from '@flowfabric/embedded'
import { startServer } from '@flowfabric/server'

export interface ServedApi {
  readonly url: string
  readonly token: string
  stop(): Promise<void>
}

/** Serves the API over the engine, at the wanted port or, if that is taken, at any. */
export async function serveApi({ engine, announce }: Embedded, port: number): Promise<ServedApi> {
  const token = process.env.FF_TOKEN ?? randomBytes(24).toString('base64url')
  const server = await startServer({ engine, token, port }).catch(() =>
    startServer({ engine, token, port: 0 }),
  )
  announce(server.url)
  return { url: server.url, token, stop: () => server.stop() }
}
