import type { ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, signal } from './processes.js'
import {
  dieWithParent,
  killWithChildren,
  spawnLogged,
  tail,
  untilAnswering,
  untilEnded,
} from './server-process.js'
import type { ValkeyBinary } from './valkey-binaries.js'
import { isAnswering } from './valkey-client.js'

export type ValkeySettings = Record<string, string | number>

export interface ValkeyPorts {
  port: number
  /** Where the nodes of a Cluster talk to each other; a server of no Cluster leaves it alone. */
  busPort: number
}

const startWithinMs = 30_000
const stopWithinMs = 10_000

/** Signals that a process survives. */
const pausing: readonly NodeJS.Signals[] = ['SIGSTOP', 'SIGCONT']

/** One server on its folder, which the caller makes and removes. */
export class ValkeyProcess {
  readonly ports: ValkeyPorts
  readonly #plan: ValkeyPlan
  #child: ChildProcess
  #isFrozen = false

  private constructor(plan: ValkeyPlan, { child, ports }: Launched) {
    this.ports = ports
    this.#plan = plan
    this.#child = child
  }

  static async start(plan: ValkeyPlan): Promise<ValkeyProcess> {
    return new ValkeyProcess(plan, await launch(plan))
  }

  /** Changes with every restart. */
  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Neither ended nor frozen by SIGSTOP. */
  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && !this.#isFrozen
  }

  /** Resolves when the process has ended, or for SIGSTOP and SIGCONT when they are sent. */
  async kill(name: NodeJS.Signals): Promise<void> {
    if (name === 'SIGKILL') {
      await killWithChildren(this.#child)
      return
    }
    signal(this.pid, name)
    if (pausing.includes(name)) {
      this.#isFrozen = name === 'SIGSTOP'
    } else if (!(await untilEnded(this.#child, stopWithinMs))) {
      throw new Error(`valkey-server ${this.pid} still runs ${stopWithinMs} ms after ${name}`)
    }
  }

  /** On the same folder and ports; a running server is ended in order first. */
  async restart(): Promise<void> {
    if (this.isRunning) await this.kill('SIGTERM')
    else await killWithChildren(this.#child)
    this.#isFrozen = false
    const { child } = await launch(this.#plan, this.ports)
    this.#child = child
  }
}

export interface ValkeyPlan {
  binary: ValkeyBinary
  /** Its data and its log. */
  folder: string
  settings: (ports: ValkeyPorts) => ValkeySettings
}

interface Launched {
  child: ChildProcess
  ports: ValkeyPorts
}

async function launch(plan: ValkeyPlan, fixed?: ValkeyPorts): Promise<Launched> {
  const { binary, folder, settings } = plan
  // A frozen server would not hear anything else.
  const prefix = await dieWithParent('KILL')
  const log = `${folder}/server.log`
  for (let triesLeft = 4; ; triesLeft -= 1) {
    const ports = fixed ?? { port: await freePort(), busPort: await freePort() }
    const chosen = settings(ports)
    const flags = Object.entries(chosen).flatMap(([name, value]) => [`--${name}`, String(value)])
    const child = spawnLogged([...prefix, binary.server, ...flags], {
      cwd: folder,
      log,
      env: { ...process.env, ...binary.env },
    })
    // The wrapper replaces itself by the server, so the child's pid is the server's.
    const password = chosen.requirepass?.toString()
    const isReady = () => isAnswering(ports.port, child.pid, { password })
    const failure = await untilAnswering(child, isReady, startWithinMs)
    if (failure === undefined) return { child, ports }
    const said = await tail(log)
    // Between our look and the server's bind, someone else may have taken the port.
    if (triesLeft === 0 || !/already in use|Failed listening/.test(said)) {
      throw new Error(`valkey-server did not start (${failure}): ${said}`)
    }
    await delay(100)
  }
}

/** What every server of the tests has: TCP on 127.0.0.1 only, no password, an append-only file. */
export function commonSettings({ port }: ValkeyPorts, folder: string, durable: boolean): ValkeySettings {
  return {
    port,
    bind: '127.0.0.1',
    'protected-mode': 'no',
    daemonize: 'no',
    dir: folder,
    save: '',
    appendonly: 'yes',
    appendfsync: durable ? 'always' : 'everysec',
  }
}
