import { closeSync, openSync, readSync, writeFileSync } from 'node:fs'
import { Ledger } from '../load/ledger.js'

const everyMs = 20

/** What processes that were killed had been told: they have written it line by line, each before they went on. */
export class LedgerFile {
  readonly path: string
  readonly ledger = new Ledger()
  #at = 0
  #rest = ''

  constructor(path: string) {
    this.path = path
    writeFileSync(path, '')
  }

  /** Takes what was written since the last time. */
  read(): void {
    const descriptor = openSync(this.path, 'r')
    try {
      const bytes = Buffer.alloc(1 << 20)
      for (let count = 1; count > 0; ) {
        count = readSync(descriptor, bytes, 0, bytes.length, this.#at)
        this.#at += count
        const lines = (this.#rest + bytes.toString('latin1', 0, count)).split('\n')
        this.#rest = lines.pop() ?? ''
        for (const line of lines) this.ledger.take(line)
      }
    } finally {
      closeSync(descriptor)
    }
  }

  /** Reads on as long as that takes. */
  async whileFollowed<Answer>(wait: () => Promise<Answer>): Promise<Answer> {
    const reading = setInterval(() => this.read(), everyMs)
    try {
      return await wait()
    } finally {
      clearInterval(reading)
    }
  }
}
