import { engineError } from '@flowfabric/core'
import type { FastifyInstance } from 'fastify'
import { type AppOptions, createApp } from './app/create-app.js'

export interface ServerOptions extends AppOptions {
  /** Default 127.0.0.1: reachable from this machine alone. */
  readonly host?: string | undefined
  /** Default 7400; 0 takes any that is free. */
  readonly port?: number | undefined
}

export interface RunningServer {
  /** Where it answers, such as `http://127.0.0.1:7400`. */
  readonly url: string
  readonly app: FastifyInstance
  /** Takes no more calls, ends long polls and streams, lets the running calls end. The engine goes on. */
  stop(): Promise<void>
}

export const defaultHost = '127.0.0.1'
export const defaultPort = 7_400

/** Serves the API over a started engine. Throws `invalid_configuration` when the address cannot be had. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host = defaultHost, port = defaultPort } = options
  const app = await createApp(options)
  try {
    await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    const code = (cause as { code?: string }).code ?? 'no listening'
    throw engineError('invalid_configuration', `Cannot listen on ${host}:${port} (${code})`, {}, { cause })
  }
  return { url: urlOf(app, host), app, stop: () => app.close() }
}

/** The address as a client on this machine may use it: a wildcard becomes the loopback. */
function urlOf(app: FastifyInstance, host: string): string {
  const address = app.server.address()
  const port = typeof address === 'object' && address !== null ? address.port : defaultPort
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}
