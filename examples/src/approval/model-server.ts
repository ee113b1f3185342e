import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export interface ModelServer {
  readonly url: string
  close(): void
}

/** Stands in for a language model: answers a prompt word by word, as such services do. */
export async function startModelServer(pauseMs: number): Promise<ModelServer> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const { item, euros } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
        readonly item: string
        readonly euros: number
      }
      const risk = euros > 10_000 ? 'high' : 'moderate'
      const answer = `An order of ${item} for ${euros} euros: the risk is ${risk}, two people should look at it.`
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
      for (const word of answer.split(' ')) {
        response.write(`${word} `)
        await pause(pauseMs)
      }
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() }
}
