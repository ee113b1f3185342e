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

/** What to try next. */
export function describeApi({ url, token }: ServedApi, flowId: string): string {
  return [
    `The API answers at ${url}/v1 (its description: ${url}/docs). Try`,
    '',
    `  curl -s -H 'Authorization: Bearer ${token}' ${url}/v1/flows/${flowId}`,
    `  curl -s -H 'Authorization: Bearer ${token}' '${url}/v1/executions?kind=measure&limit=3'`,
    '',
    'It serves on until you stop it with Ctrl-C. Start it again, and it counts anew.',
  ].join('\n')
}
