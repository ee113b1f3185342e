import type { OracleNode } from './world.js'

/** A lease that a script was given, and what it is worth. */
export interface HeldLease {
  readonly name: string
  readonly handle: string
  /** `lapsed`: it ran out and nobody claimed since; its holder may still end it. */
  state: 'live' | 'lapsed' | 'dead'
}

/** All leases of a script, dead ones too: their holders come back. */
export class LeaseBook {
  readonly #leases: HeldLease[] = []

  add(name: string, handle: string): void {
    this.#leases.push({ name, handle, state: 'live' })
  }

  /** One of those in the state, by a number that may be any. */
  pick(pick: number, state: HeldLease['state']): HeldLease | undefined {
    const some = this.#leases.filter((lease) => lease.state === state)
    return some[pick % some.length]
  }

  /** Its holder ended it: a repeat would be answered alike, so it is neither live nor foreign. */
  forget(lease: HeldLease): void {
    this.#leases.splice(this.#leases.indexOf(lease), 1)
  }

  retire(name: string, state: 'lapsed' | 'dead'): void {
    for (const lease of this.#leases) {
      if (lease.name !== name || lease.state === 'dead') continue
      lease.state = lease.state === 'live' ? state : 'dead'
    }
  }

  /** What the oracle says of the members decides what their leases are worth. */
  review(nodeOf: (name: string) => OracleNode): void {
    for (const lease of this.#leases) {
      const node = nodeOf(lease.name)
      if (node.ended !== null || (lease.state === 'live' && !node.active)) lease.state = 'dead'
    }
  }
}
