import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Hint, HintHub } from '@flowfabric/core'
import pg from 'pg'
import type { PostgresBackendOptions } from '../options.js'
import type { Database } from './database.js'

/** Hints between processes, by NOTIFY. Best effort: without them latency is that of the pulse. */
export interface RemoteHints {
  stop(): Promise<void>
}

/** At most one NOTIFY in so many ms and process. */
const COALESCE_MS = 5
/** Hints of one NOTIFY. Its payload must stay below 8000 bytes; what doesn't fit is left to the pulse. */
const PAYLOAD_BYTES_MAX = 7_500
/** For so long a look at who listens holds good. */
const LISTENERS_MS = 1_000
const LISTENER_KEY = `hashtextextended('flowfabric/hints/' || $1, 0)`
const RECONNECT_MS_MIN = 500
const RECONNECT_MS_MAX = 30_000

/** Hints that wake somebody in another process; the others concern whoever caused them, or are found by reading. */
const remoteTypes: ReadonlySet<Hint['type']> = new Set([
  'ready',
  'outbox',
  'ended',
  'attention',
  'due',
  'events',
  'frames',
])

/**
 * Sends this process's hints after their commit, never inside it, and hears those of others on a connection of its own.
 * Both begin with the first listener: a process that waits for nothing pays nothing.
 */
export function startRemoteHints(
  db: Database,
  hub: HintHub,
  options: Pick<PostgresBackendOptions, 'connectionString' | 'listenConnectionString'>,
): RemoteHints {
  const stopping = new AbortController()
  const line: Line = {
    schema: db.schema,
    // Unique among processes, so that one knows its own hints again.
    origin: randomBytes(6).toString('hex'),
    hub,
    signal: stopping.signal,
    isListening: false,
  }
  hub.forward(createSender(db, line))
  const connectionString = options.listenConnectionString ?? options.connectionString
  // A pool of the caller's, and a pooler, give no connection that could be kept: then it only sends.
  const hearing = connectionString === undefined ? Promise.resolve() : hear(connectionString, line)
  return {
    async stop() {
      stopping.abort()
      await hearing
    },
  }
}

/** One process's end of the channel. */
interface Line {
  readonly schema: string
  readonly origin: string
  readonly hub: HintHub
  readonly signal: AbortSignal
  isListening: boolean
}

/** A channel for each schema; its name is an identifier. */
function channelOf(schema: string): string {
  return `${schema}_hints`
}

function createSender(db: Database, line: Line): (hint: Hint) => void {
  const { origin, signal } = line
  const channel = channelOf(line.schema)
  const pending = new Map<string, Hint>()
  let isSending = false
  let isHeard = true
  let lookedAt = Number.NEGATIVE_INFINITY

  const send = async () => {
    while (pending.size > 0 && !signal.aborted) {
      await pause(COALESCE_MS, undefined, { signal }).catch(() => {})
      if (performance.now() - lookedAt > LISTENERS_MS) {
        isHeard = (await countListeners(db)) > (line.isListening ? 1 : 0)
        lookedAt = performance.now()
      }
      // Alone on the store, which is the rule: nobody would hear it, and each NOTIFY is a commit.
      if (!isHeard) pending.clear()
      if (pending.size === 0) break
      const hints = takeFitting(pending)
      await db
        .query('select pg_notify($1, $2)', [channel, `${origin} ${JSON.stringify(hints)}`])
        .catch(() => {})
    }
    isSending = false
  }

  return (hint) => {
    if (!remoteTypes.has(hint.type) || signal.aborted) return
    if (!isHeard && performance.now() - lookedAt < LISTENERS_MS) return
    const key = keyOf(hint)
    pending.set(key, merge(pending.get(key), hint))
    if (isSending) return
    isSending = true
    void send()
  }
}

/** Every listening connection holds a lock of this schema, shared: counted, it tells how many there are. */
async function countListeners(db: Database): Promise<number> {
  const rows = await db
    .query<{ listeners: number }>(
      `select count(*)::integer as listeners from pg_locks l, (select ${LISTENER_KEY} as key) k
       where l.locktype = 'advisory' and l.granted and l.objsubid = 1
         and l.database = (select oid from pg_database where datname = current_database())
         and (l.classid::bigint << 32) | l.objid::bigint = k.key`,
      [db.schema],
    )
    .catch(() => [])
  // Not to know is no reason to be silent.
  return rows[0]?.listeners ?? Number.POSITIVE_INFINITY
}

/** As many as one payload holds, in order; what comes after them waits for the next. */
function takeFitting(pending: Map<string, Hint>): Hint[] {
  const hints: Hint[] = []
  let bytes = 64
  for (const [key, hint] of pending) {
    bytes += JSON.stringify(hint).length + 1
    if (bytes > PAYLOAD_BYTES_MAX) break
    pending.delete(key)
    hints.push(hint)
  }
  return hints
}

function keyOf(hint: Hint): string {
  switch (hint.type) {
    case 'ready':
      return `ready ${hint.namespace}/${hint.lane}`
    case 'ended':
      return `ended ${hint.id}`
    case 'attention':
    case 'frames':
      return `${hint.type} ${hint.executionId}`
    default:
      return `${hint.type} ${hint.partition}`
  }
}

function merge(earlier: Hint | undefined, hint: Hint): Hint {
  if (earlier?.type === 'ready' && hint.type === 'ready') {
    // 0: nobody knows how much; that stays so.
    return { ...hint, count: earlier.count === 0 || hint.count === 0 ? 0 : earlier.count + hint.count }
  }
  if (earlier?.type === 'due' && hint.type === 'due') {
    return { ...hint, dueAtMs: Math.min(earlier.dueAtMs, hint.dueAtMs) }
  }
  return hint
}

/** Keeps one connection listening until the signal; a lost one is made again, later and later. */
async function hear(connectionString: string, line: Line): Promise<void> {
  let pauseMs = RECONNECT_MS_MIN
  while (!line.signal.aborted) {
    const wasConnected = await listenOnce(connectionString, line)
    if (line.signal.aborted) return
    pauseMs = wasConnected ? RECONNECT_MS_MIN : Math.min(pauseMs * 2, RECONNECT_MS_MAX)
    await pause(pauseMs, undefined, { signal: line.signal }).catch(() => {})
  }
}

async function listenOnce(connectionString: string, line: Line): Promise<boolean> {
  const { schema, origin, hub, signal } = line
  const client = new pg.Client({
    connectionString,
    application_name: 'flowfabric hints',
    connectionTimeoutMillis: 10_000,
  })
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  client.on('error', end)
  client.on('end', end)
  // The signal outlives this connection, and many after it.
  signal.addEventListener('abort', end)
  client.on('notification', ({ payload }) => receive(payload ?? '', origin, hub))
  try {
    await client.connect()
    await client.query(`listen ${pg.escapeIdentifier(channelOf(schema))}`)
    // The connection's own lock, for as long as it lives: so others see that somebody listens.
    await client.query(`select pg_advisory_lock_shared(${LISTENER_KEY})`, [schema])
    line.isListening = true
    await ended
    return true
  } catch {
    return false
  } finally {
    line.isListening = false
    signal.removeEventListener('abort', end)
    await client.end().catch(() => {})
  }
}

function receive(payload: string, origin: string, hub: HintHub): void {
  const space = payload.indexOf(' ')
  if (payload.slice(0, space) === origin) return
  let hints: unknown
  try {
    hints = JSON.parse(payload.slice(space + 1))
  } catch {
    // Not ours, or a newer version's: a hint that isn't understood is a lost one.
    return
  }
  if (!Array.isArray(hints)) return
  for (const hint of hints as Hint[]) if (remoteTypes.has(hint?.type)) hub.receive(hint)
}
