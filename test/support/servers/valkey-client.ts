import { Redis } from 'iovalkey'

export interface ClientOptions {
  answerWithinMs?: number
  database?: number
  /** Of a server that was started with `requirepass`. */
  password?: string | undefined
}

/** A connection for a few commands. It never connects again by itself, so that a server that ends ends it. */
export async function withClient<Answer>(
  port: number,
  work: (client: Redis) => Promise<Answer>,
  { answerWithinMs = 1_000, database = 0, password }: ClientOptions = {},
): Promise<Answer> {
  const client = new Redis({
    host: '127.0.0.1',
    port,
    db: database,
    ...(password === undefined ? {} : { password }),
    lazyConnect: true,
    connectTimeout: 1_000,
    // A frozen server accepts connections and answers nothing.
    commandTimeout: answerWithinMs,
    // Ready checks wait until a server has loaded its data, and ask again and again until then.
    enableReadyCheck: false,
    retryStrategy: () => null,
  })
  // Whoever waits for a command sees it fail.
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    client.disconnect()
  }
}

/** Whether the server of that process, and not another that took the port, takes commands. */
export async function isAnswering(
  port: number,
  pid: number | undefined,
  options: ClientOptions,
): Promise<boolean> {
  const ask = async (client: Redis) => {
    // Refused while it loads its data.
    await client.ping()
    return Number(fieldOf(await client.info('server'), 'process_id')) === pid
  }
  return withClient(port, ask, options).catch(() => false)
}

/** A line of what `INFO` and `CLUSTER INFO` say. */
export function fieldOf(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
}
