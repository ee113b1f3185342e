import { engineError, type StepRecord, type StepType } from '@flowfabric/core'
import { isFencingRefusal, refusalError } from '../calls/refusals.js'
import { AttemptLostError } from '../errors.js'
import { decodePayload, encodePayload } from '../payload/codec.js'
import type { HeldLease } from './held-lease.js'
import type { WorkerCore } from './worker-core.js'

/**
 * The journal of one run: what earlier attempts recorded, by name, and what this run adds. A name is used once in a
 * run; that, and the type of the call, must be the same in every run.
 */
export class Journal {
  readonly #core: WorkerCore
  readonly #held: HeldLease
  #recorded: Map<string, StepRecord> | undefined
  #used: Set<string> | undefined
  #unnamed: Map<StepType, number> | undefined

  constructor(core: WorkerCore, held: HeldLease) {
    this.#core = core
    this.#held = held
  }

  /** Runs `fn`, unless its result is recorded. */
  async step<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result> {
    const known = this.take(name, 'step')
    if (known !== undefined) return (await decodePayload(this.#core.codec, known.result)) as Result
    const result = await fn()
    const recorded = await this.record(name, 'step', await encodePayload(this.#core.codec, result))
    // Somebody else's record of this step counts, not ours: every attempt must see the same.
    return recorded === undefined
      ? result
      : ((await decodePayload(this.#core.codec, recorded.result)) as Result)
  }

  /** The name of the next call without one: by kind and order. */
  nameNext(type: StepType): string {
    this.#unnamed ??= new Map()
    const order = this.#unnamed.get(type) ?? 0
    this.#unnamed.set(type, order + 1)
    return `${type}:${order}`
  }

  /** What is recorded under the name. Throws `journal_mismatch` for a name that this run has used, or of another type. */
  take(name: string, type: StepType): StepRecord | undefined {
    this.#used ??= new Set()
    if (this.#used.has(name)) {
      throw engineError('journal_mismatch', `The name ${name} is used twice in one run`, { name, type })
    }
    this.#used.add(name)
    this.#recorded ??= new Map(this.#held.claimed.steps.map((step) => [step.name, step]))
    const known = this.#recorded.get(name)
    if (known !== undefined && known.type !== type) throw mismatch(name, type, known.type)
    return known
  }

  /** Records a result; answers the record that was there already, if there was one. */
  async record(name: string, type: StepType, result: StepRecord['result']): Promise<StepRecord | undefined> {
    const outcome = await this.#core.steps.add({ handle: this.#held.claimed.handle, name, type, result })
    switch (outcome.outcome) {
      case 'recorded':
        return undefined
      case 'already_recorded':
        return outcome.step
      case 'journal_mismatch':
        throw mismatch(name, type, outcome.recordedType)
      default:
        if (isFencingRefusal(outcome)) {
          this.#core.refuse(this.#held, outcome)
          throw new AttemptLostError(outcome.outcome)
        }
        throw refusalError(outcome, `step ${name}`)
    }
  }
}

/**
 * Records what the store tells every later run anyway, until the next suspension stands or the run has ended: the run goes on
 * meanwhile, and these two wait for it. What goes wrong is met there.
 */
export function recordBehind(
  journal: Journal,
  held: HeldLease,
  name: string,
  type: StepType,
  result: StepRecord['result'],
): void {
  const writing = Promise.all([held.writing, journal.record(name, type, result)])
  held.writing = writing
  writing.catch(() => {})
}

function mismatch(name: string, type: StepType, recordedType: StepType) {
  return engineError('journal_mismatch', `${name} is a ${type} now, and is recorded as a ${recordedType}`, {
    name,
    type,
    recordedType,
  })
}
