import type { Socket } from 'node:net'
import { engineError } from '@flowfabric/core'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { watchAccess } from './access.js'
import type { Credentials } from './credentials.js'

/**
 * Ends what would hold a shutdown: long polls and event streams, which last until their clients go away. Every waiting
 * call has a signal of its own, so that nothing piles up on one that lives as long as the process.
 */
export interface Waits {
  /**
   * A signal that fires when the client goes away, its token is revoked, or the server closes. Ends by itself with the
   * answer.
   */
  signalOf(reply: FastifyReply): AbortSignal
  readonly isClosing: boolean
  /** How many calls wait. */
  readonly count: number
}

export function endWaitsOnClose(app: FastifyInstance, credentials: Credentials): Waits {
  const waiting = new Set<AbortController>()
  let isClosing = false
  const silent = trackSilentConnections(app, () => isClosing)
  app.addHook('onRequest', async () => {
    if (isClosing) throw engineError('shutting_down', 'The server is shutting down')
  })
  // An answer that goes out after idle connections were closed would keep its own open for as long as the client likes.
  app.addHook('onSend', async (_request, reply) => {
    if (isClosing) reply.header('connection', 'close')
  })
  app.addHook('preClose', async () => {
    isClosing = true
    for (const controller of waiting) controller.abort()
    for (const socket of silent) socket.destroy()
  })
  return {
    get isClosing() {
      return isClosing
    },
    get count() {
      return waiting.size
    },
    signalOf(reply) {
      const controller = new AbortController()
      if (isClosing) controller.abort()
      waiting.add(controller)
      const stopWatching = watchAccess(reply.request, credentials, () => controller.abort())
      // Comes when the answer is sent, or when the connection is lost before it is.
      reply.raw.once('close', () => {
        stopWatching()
        waiting.delete(controller)
        controller.abort()
      })
      return controller.signal
    },
  }
}

/**
 * Connections that have asked for nothing yet, such as one that a client opens in place of one that it gave up. To Node
 * they are not idle, so they would hold the shutdown for as long as their clients like.
 */
function trackSilentConnections(app: FastifyInstance, isClosing: () => boolean): ReadonlySet<Socket> {
  const silent = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    if (isClosing()) {
      socket.destroy()
      return
    }
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  app.server.on('request', ({ socket }) => silent.delete(socket))
  return silent
}
