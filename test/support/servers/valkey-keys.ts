import { Cluster, Redis } from 'iovalkey'

/** A client of a server that the tests have not started; its address may hold a user, a password and a database. */
export function openValkeyClient(url: string, isCluster: boolean): Redis | Cluster {
  // This client knows TLS by the older name alone.
  const known = url.replace(/^valkeys:/, 'rediss:')
  const { hostname, port, username, password } = new URL(known)
  const login = { username: decodeURIComponent(username), password: decodeURIComponent(password) }
  const client = isCluster
    ? new Cluster([{ host: hostname, port: Number(port || 6_379) }], {
        lazyConnect: true,
        redisOptions: { ...login, ...(known.startsWith('rediss:') ? { tls: {} } : {}) },
      })
    : new Redis(known, { lazyConnect: true })
  // Whoever waits for a command sees it fail.
  client.on('error', () => {})
  return client
}

/** All keys that begin so, wherever they are. Others may have keys there: only `SCAN` reads past them without stopping the server. */
export async function listKeys(client: Redis | Cluster, prefix: string): Promise<string[]> {
  if (client instanceof Redis) return scan(client, prefix)
  // Nodes are known once it has connected; a second time it refuses to.
  await client.connect().catch(() => {})
  return (await Promise.all(client.nodes('master').map((node) => scan(node, prefix)))).flat()
}

export async function removeKeys(client: Redis | Cluster, prefix: string): Promise<void> {
  const keys = await listKeys(client, prefix)
  await Promise.all(keys.map((key) => client.unlink(key)))
}

async function scan(node: Redis, prefix: string): Promise<string[]> {
  const found = new Set<string>()
  let cursor = '0'
  do {
    const [next, keys] = await node.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000)
    for (const key of keys) found.add(key)
    cursor = next
  } while (cursor !== '0')
  return [...found]
}
