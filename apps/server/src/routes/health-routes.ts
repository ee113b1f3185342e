import type { Engine } from '@flowfabric/engine'
import type { FastifyInstance } from 'fastify'
import type { Waits } from '../app/closing.js'

/**
 * `/healthz`: the process answers. `/readyz`: it can do its work, that is the store answers and the engine runs; a load
 * balancer sends nothing elsewhere because of the first, and nothing here without the second.
 */
export function serveHealth(app: FastifyInstance, engine: Engine, waits: Waits): void {
  app.get('/healthz', { schema: describe('Whether the process lives.') }, async () => ({ status: 'live' }))
  app.get('/readyz', { schema: describe('Whether it can do its work.') }, async (_request, reply) => {
    const { isReady, problems, ...health } = engine.health()
    const found = [
      ...problems,
      ...(waits.isClosing ? ['the server is shutting down'] : []),
      ...(await pingProblems(engine)),
    ]
    const ready = isReady && found.length === 0
    return reply.code(ready ? 200 : 503).send({
      status: ready ? 'ready' : 'not_ready',
      problems: found,
      partitionsOwned: health.partitionsOwned,
      engines: health.engines.length,
      failingScanners: health.failingScanners,
    })
  })
}

const PING_MS_MAX = 2_000

async function pingProblems(engine: Engine): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly string[]>((resolve) => {
    timer = setTimeout(() => resolve([`the store did not answer within ${PING_MS_MAX} ms`]), PING_MS_MAX)
  })
  const pinged = engine.backend.maintenance.ping().then(
    () => [],
    () => ['the store cannot be reached'],
  )
  try {
    return await Promise.race([pinged, late])
  } finally {
    clearTimeout(timer)
  }
}

function describe(summary: string): object {
  return { summary, tags: ['health'] }
}
