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
      ...(await storeProblems(engine)),
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

const ASK_MS_MAX = 2_000

async function storeProblems(engine: Engine): Promise<readonly string[]> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly string[]>((resolve) => {
    timer = setTimeout(() => resolve([`the store did not answer within ${ASK_MS_MAX} ms`]), ASK_MS_MAX)
  })
  const asked = engine.backend.maintenance.ping().then(
    () => signingProblems(engine),
    () => ['the store cannot be reached'],
  )
  try {
    return await Promise.race([asked, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Without the secret of a live key this process would take good tokens for forged ones. */
async function signingProblems({ signing }: Engine): Promise<readonly string[]> {
  try {
    const { keys, nowMs } = await signing.current()
    return keys
      .problemsAt(nowMs)
      .map(({ keyId, fault }) =>
        fault === 'no_secret'
          ? `the secret of the signing key ${keyId} is missing`
          : `the secret of the signing key ${keyId} is another one than it was recorded with`,
      )
  } catch {
    return ['the signing keys cannot be read']
  }
}

function describe(summary: string): object {
  return { summary, tags: ['health'] }
}
