import { type EngineError, engineError } from '@flowfabric/core'
import { checkServer, INFO_SECTIONS, readFacts, type ServerFacts } from './checks.js'
import { type Command, type Reply, textOf } from './command.js'
import { judgeFault } from './fault.js'
import type { ConnectionSettings } from './options.js'

interface Greeted {
  readonly name: string
  facts: ServerFacts
  send(command: Command, timeoutMs: number): Promise<Reply>
  destroy(): void
}

/** Opens the connection, says who we are, and looks at who answers; closes it when anything is not as it should be. */
export async function greet(
  socket: Greeted,
  connect: () => Promise<void>,
  settings: ConnectionSettings,
): Promise<void> {
  const { username, password, db, isCluster, durability, connectTimeoutMs } = settings
  try {
    await connect()
    const hello: Command[] = []
    if (password !== undefined)
      hello.push(username === undefined ? ['AUTH', password] : ['AUTH', username, password])
    if (db !== 0) hello.push(['SELECT', db])
    hello.push(['INFO', ...INFO_SECTIONS])
    const replies = await Promise.allSettled(hello.map((command) => socket.send(command, connectTimeoutMs)))
    // The first that failed says most: after a refused AUTH everything else is refused as well.
    for (const reply of replies) if (reply.status === 'rejected') throw reply.reason
    const last = replies.at(-1)
    socket.facts = readFacts((last?.status === 'fulfilled' ? textOf(last.value) : undefined) ?? '')
    // Until then it says of itself that it has no append-only file, which is what it is reading.
    if (socket.facts.isLoading) throw unreachable(socket.name, 'it is loading its data')
    checkServer(socket.name, socket.facts, { isCluster, needsAof: durability?.aof?.local === 1 })
  } catch (fault) {
    socket.destroy()
    throw toEngineError(socket.name, fault)
  }
}

function toEngineError(node: string, fault: unknown): EngineError {
  const verdict = judgeFault(fault)
  switch (verdict.kind) {
    case 'refused':
      return verdict.error
    case 'pause':
    case 'unsent':
    case 'unknown':
      return unreachable(node, verdict.text)
    default:
      return unreachable(node, `it answered ${verdict.kind} to a greeting`)
  }
}

function unreachable(node: string, why: string): EngineError {
  return engineError('store_unreachable', `${node} cannot be reached: ${why}`)
}
