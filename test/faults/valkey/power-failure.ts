import { readFileSync, statSync } from 'node:fs'
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import type { ValkeyServer } from '../../support/servers/valkey.js'

/** A size that the append-only file had between two writes. */
interface Size {
  readonly atMs: number
  readonly file: string
  readonly bytes: number
}

const lookEveryMs = 4
/** With `appendfsync everysec`, what the disk does not have yet is no older. */
const keptMs = 1_000

/**
 * A power failure, played on a server that runs with `appendfsync everysec` and was killed: the page cache outlives a
 * killed process, so the last of what the server has written is cut off its append-only file. It is cut between two
 * writes, since a server before 8.0.11 that finds half a transaction there loses what it writes after it.
 */
export class PowerFailure {
  readonly #folder: string
  readonly #looks: NodeJS.Timeout
  #sizes: Size[] = []

  constructor(server: Pick<ValkeyServer, 'folder'>) {
    this.#folder = join(server.folder, 'appendonlydir')
    this.#looks = setInterval(() => this.look(), lookEveryMs)
  }

  /** How long the file is now, or was a moment ago. */
  look(): Size | undefined {
    const size = this.#measure()
    if (size === undefined) return this.#sizes.at(-1)
    this.#sizes = this.#sizes.filter(({ atMs, file }) => file === size.file && atMs > size.atMs - 2 * keptMs)
    this.#sizes.push(size)
    return size
  }

  /**
   * Cuts off what was written after some moment of the last second before the kill, but nothing before `floor`; the
   * moment by chance, given in [0, 1). Answers how many bytes.
   */
  async cut(killedAtMs: number, chance: number, floor?: Size): Promise<number> {
    const { file, bytes } = this.look() ?? { file: '', bytes: 0 }
    const sizes = this.#sizes.filter(
      (size) => size.file === file && size.atMs > killedAtMs - keptMs && size.bytes >= (floor?.bytes ?? 0),
    )
    // Rather more than less.
    const chosen = sizes[Math.floor(chance ** 2 * sizes.length)]
    if (chosen === undefined || (floor !== undefined && floor.file !== file)) return 0
    await truncate(file, chosen.bytes)
    this.#sizes = []
    return bytes - chosen.bytes
  }

  close(): void {
    clearInterval(this.#looks)
  }

  #measure(): Size | undefined {
    try {
      // The file that is being appended to is the last one that the manifest names.
      const manifest = readFileSync(join(this.#folder, 'appendonly.aof.manifest'), 'utf8')
      const name = manifest.match(/(?<=file )\S+(?= seq \d+ type i)/g)?.at(-1)
      if (name === undefined) return undefined
      const file = join(this.#folder, name)
      const bytes = statSync(file).size
      // A write grows the file page by page.
      return statSync(file).size === bytes ? { atMs: Date.now(), file, bytes } : undefined
    } catch {
      return undefined
    }
  }
}
