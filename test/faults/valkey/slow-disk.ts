import { connect, createServer, type Server, type Socket } from 'node:net'
import type { PowerFailure } from './power-failure.js'

const everyMs = 200

/**
 * Between a backend and its server: a disk that has what was written five times a second and not before. Whoever asks `WAITAOF`
 * is answered when the disk has it. Servers that follow Redis 7.4, Valkey 8.0.1 among them, answer sooner than that with
 * `appendfsync everysec` (redis/redis#13793), so that theirs alone would not show who waits for it.
 */
export class SlowDisk {
  readonly #power: PowerFailure
  readonly #listener: Server
  readonly #ticks: NodeJS.Timeout
  readonly #withheld = new Map<Socket, Buffer[]>()
  readonly #sockets = new Set<Socket>()
  #has: ReturnType<PowerFailure['look']>

  private constructor(power: PowerFailure, listener: Server) {
    this.#power = power
    this.#listener = listener
    this.#ticks = setInterval(() => this.#sync(), everyMs)
  }

  static async inFrontOf(port: number, power: PowerFailure): Promise<SlowDisk> {
    const listener = createServer((client) => disk.#join(client, connect(port, '127.0.0.1')))
    const disk = new SlowDisk(power, listener)
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    return disk
  }

  get url(): string {
    const address = this.#listener.address()
    return `valkey://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  }

  /** What the disk has. */
  get has(): ReturnType<PowerFailure['look']> {
    return this.#has
  }

  async close(): Promise<void> {
    clearInterval(this.#ticks)
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#listener.close(resolve))
  }

  #join(client: Socket, server: Socket): void {
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one)
      one.setNoDelay(true)
      one.on('error', () => {})
      one.on('close', () => {
        this.#sockets.delete(one)
        // What was withheld goes with a server that ends.
        this.#withheld.delete(client)
        other.destroy()
      })
    }
    client.on('data', (bytes) => {
      if (bytes.includes('WAITAOF') && !this.#withheld.has(client)) this.#withheld.set(client, [])
      server.write(bytes)
    })
    server.on('data', (bytes) => {
      const withheld = this.#withheld.get(client)
      if (withheld === undefined) client.write(bytes)
      else withheld.push(bytes)
    })
  }

  /** The server writes before it answers: what it has answered by now is in the file as it is now. */
  #sync(): void {
    const answered = [...this.#withheld]
    const has = this.#power.look()
    if (has === undefined) return
    this.#has = has
    for (const [client, withheld] of answered) {
      for (const bytes of withheld.splice(0)) client.write(bytes)
    }
  }
}
