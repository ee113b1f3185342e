import { engineError, limits, type Namespace, quotaPartition } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { asList } from '../library/as-list.js'
import { createTickBatch } from '../library/tick-batch.js'

/** What is submitted under a key. */
export interface KeyedSubmission {
  readonly namespace: Namespace
  readonly key: string
  /** Default 24 h. */
  readonly ttlMs: number | undefined
  /** The id that came along. */
  readonly target: string
  /** The kind of an execution, `flow` or `draft`. */
  readonly kind: string
  /** A hash of what makes a repeat the same. */
  readonly content: string
}

/** What a key stands for, and the count of this submission in it, which `forget` takes back. */
export interface Reservation {
  /** `known`: it was live already, with this content. */
  readonly word: 'new' | 'known'
  readonly name: string
  readonly tag: string
  /** The id to submit by: the recorded one. */
  readonly target: string
  readonly reservedAtMs: number
}

/**
 * Idempotency keys lie in partitions of their own. So a key is recorded before its submission is carried out, and
 * forgotten when that is refused; a crash between the two leaves an id that the next submission under the key makes use of.
 */
export interface IdempotencyKeys {
  /** Records the key, unless it is live; `conflict` when it stands for other content. Throws `corruption`. */
  reserve(submission: KeyedSubmission): Promise<Reservation | 'conflict'>
  /** The submission was refused, and nobody may rely on it. The key goes when no other submission does. */
  forget(reservation: Reservation): Promise<void>
  /**
   * Lets the key stand for another target, when what was recorded cannot be submitted any more. False: somebody else was
   * faster, and the key is to be reserved again.
   */
  replace(reservation: Reservation, target: string, ttlMs: number | undefined): Promise<boolean>
}

type ReserveItem = LibraryFunctions['idempotency_reserve']['args'][0][number]
type ReserveReply = LibraryFunctions['idempotency_reserve']['reply'][number]
type ForgetItem = LibraryFunctions['idempotency_forget']['args'][0][number]

const ITEMS_MAX = 128

/** Keys of one tick and partition go in one call. */
export function createIdempotencyKeys(ctx: ValkeyContext): IdempotencyKeys {
  const reserving = perTag((tag) =>
    createTickBatch<ReserveItem, ReserveReply | undefined>(async (items) => {
      const { reply } = await ctx.invoke({ name: 'idempotency_reserve', tag, args: [[...items]] })
      return asList(reply)
    }, ITEMS_MAX),
  )
  const forgetting = perTag((tag) =>
    createTickBatch<ForgetItem, void>(async (items) => {
      await ctx.invoke({ name: 'idempotency_forget', tag, args: [[...items]] })
      return []
    }, ITEMS_MAX),
  )
  return {
    async reserve({ namespace, key, ttlMs = limits.idempotencyTtlMs, target, kind, content }) {
      const { quota } = await ctx.partitions()
      const tag = `q:${quotaPartition(namespace, key, quota)}`
      const name = `${namespace}/${key}`
      const reply = await reserving(tag)([name, target, kind, content, ttlMs])
      const [word, recorded, reservedAtMs] = reply ?? ['', '', 0]
      switch (word) {
        case 'new':
        case 'known':
          return { word, name, tag, target: recorded, reservedAtMs }
        case 'conflict':
          return word
        default:
          throw engineError('corruption', `the idempotency key ${name} does not decode`, { subject: name })
      }
    },
    forget: ({ tag, name, target, reservedAtMs }) => forgetting(tag)([name, target, reservedAtMs]),
    async replace({ tag, name, target: seen, reservedAtMs }, target, ttlMs = limits.idempotencyTtlMs) {
      const { reply } = await ctx.invoke({
        name: 'idempotency_replace',
        tag,
        args: [name, seen, reservedAtMs, target, ttlMs],
      })
      return reply
    },
  }
}

function perTag<Value>(make: (tag: string) => Value): (tag: string) => Value {
  const known = new Map<string, Value>()
  return (tag) => {
    let value = known.get(tag)
    if (value === undefined) {
      value = make(tag)
      known.set(tag, value)
    }
    return value
  }
}
