import { createServer, type Socket } from 'node:net'
import { createPostgresBackend } from '@flowfabric/backend-postgres'
import { expect, it, onTestFinished } from 'vitest'

/** Accepts connections, and never says a word. */
async function startMute(): Promise<number> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as { port: number }).port
}

it.each([
  ['refuses connections', async () => 1],
  ['accepts them and never answers', startMute],
])('a server that %s is unreachable', async (_, startServer) => {
  const backend = createPostgresBackend({
    connectionString: `postgres://u@127.0.0.1:${await startServer()}/d`,
  })
  onTestFinished(() => backend.maintenance.close())
  await expect(backend.maintenance.describe()).rejects.toMatchObject({
    code: 'store_unreachable',
    retry: 'safe',
  })
})
