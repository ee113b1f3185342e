import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Received {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** How a receiver answers; by default at once, with 204. */
export type Answer = (received: Received, response: ServerResponse, request: IncomingMessage) => void

/** A server that webhooks are posted to. */
export interface Receiver {
  readonly url: string
  readonly port: number
  readonly received: readonly Received[]
  answer: Answer
  close(): Promise<void>
}

export async function startReceiver(): Promise<Receiver> {
  const received: Received[] = []
  const receiver = {
    received,
    answer: ((_received, response) => response.writeHead(204).end()) as Answer,
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => {})
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const got = {
        path: request.url ?? '',
        headers: request.headers as Record<string, string>,
        body: Buffer.concat(chunks).toString('utf8'),
      }
      received.push(got)
      receiver.answer(got, response, request)
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  return Object.assign(receiver, {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    close: () =>
      new Promise<void>((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  })
}

/** As https://www.standardwebhooks.com says, and nothing of ours. Which of the signatures are the secret's. */
export function goodSignatures({ headers, body }: Received, secret: string): readonly boolean[] {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const expected = createHmac('sha256', key).update(signed, 'utf8').digest()
  return (headers['webhook-signature'] ?? '').split(' ').map((each) => {
    const [version, mac = ''] = each.split(',')
    const given = Buffer.from(mac, 'base64')
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected)
  })
}
