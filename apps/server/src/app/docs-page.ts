import type { FastifyInstance } from 'fastify'

interface Described {
  readonly paths?: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>
}

interface DescribedOperation {
  readonly summary?: string
  readonly operationId?: string
  readonly tags?: readonly string[]
}

/** One plain page that lists what the API offers; the details are in the description that it links to. */
export function serveDocs(app: FastifyInstance): void {
  app.get('/v1/openapi.json', { schema: { hide: true } as object }, async () => app.swagger())
  app.get('/docs', { schema: { hide: true } as object }, async (_request, reply) =>
    reply
      .header(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      )
      .type('text/html; charset=utf-8')
      .send(renderPage(app.swagger() as Described)),
  )
  app.get('/', { schema: { hide: true } as object }, async (_request, reply) => reply.redirect('/docs'))
}

function renderPage({ paths = {} }: Described): string {
  const rows = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  )
  const tags = [...new Set(rows.flatMap(({ tags: own = ['other'] }) => own))]
  const sections = tags.map((tag) => {
    const own = rows.filter((row) => row.tags?.includes(tag))
    return `<h2>${escapeHtml(tag)}</h2><table>${own.map(renderRow).join('')}</table>`
  })
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>FlowFabric API</title><style>${STYLE}</style>
<h1>FlowFabric API</h1>
<p>Send <code>Authorization: Bearer &lt;token&gt;</code>, and <code>FF-Namespace</code> unless it is <code>default</code>.
The full description: <a href="/v1/openapi.json">/v1/openapi.json</a> (OpenAPI 3.1).</p>
${sections.join('\n')}</html>`
}

function renderRow(row: {
  readonly path: string
  readonly method: string
  readonly summary?: string
}): string {
  const method = escapeHtml(row.method.toUpperCase())
  return `<tr><td><code>${method}</code></td><td><code>${escapeHtml(row.path)}</code></td><td>${escapeHtml(row.summary ?? '')}</td></tr>`
}

const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}td{padding:.2rem 1rem .2rem 0;vertical-align:top}'

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
