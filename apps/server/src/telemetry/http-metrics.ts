import type { FastifyInstance } from 'fastify'
import { Gauge, Histogram, type Registry } from 'prom-client'
import type { Waits } from '../app/closing.js'

/** Measures requests by route, never by address: labels stay as few as there are routes. Long polls count with their wait. */
export function measureHttp(app: FastifyInstance, registry: Registry, waits: Waits): void {
  const duration = new Histogram({
    name: 'flowfabric_http_request_duration_seconds',
    help: 'From the request’s head to the end of its answer, waits included.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
    registers: [registry],
  })
  new Gauge({
    name: 'flowfabric_http_waiting',
    help: 'Long polls and event streams that are open.',
    registers: [registry],
    collect() {
      this.set(waits.count)
    },
  })
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request
    const route = request.routeOptions.url ?? 'unknown'
    duration.observe({ method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1_000)
  })
  app.get(
    '/metrics',
    { schema: { summary: 'Metrics for Prometheus.', tags: ['health'] } as object },
    async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  )
}
