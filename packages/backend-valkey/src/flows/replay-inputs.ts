import { type Bytes, type ExecutionId, type FlowId, type ReplayFlow, uuidOf } from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import { readOriginalHash } from '../executions/original-hash.js'
import { placeOf } from './flow-place.js'

/** A member's new input, and the hash of the one that it was submitted with. */
export interface NewInput {
  readonly id: ExecutionId
  readonly input: Bytes | null
  readonly hash: string
}

/** Reads at the same time. */
const READS_MAX = 32
/** New inputs of one call. */
const BYTES_MAX = 1_048_576

/** Of the members that are replayed, the new inputs. */
export async function readInputs(
  ctx: ValkeyContext,
  { namespace, inputs = [] }: ReplayFlow,
  ids: ReadonlySet<ExecutionId>,
): Promise<readonly NewInput[]> {
  // The last word about a member counts.
  const wanted = [...new Map(inputs.map(({ id, input }) => [id, input]))].filter(([id]) => ids.has(id))
  const list: NewInput[] = []
  for (let from = 0; from < wanted.length; from += READS_MAX) {
    const some = wanted.slice(from, from + READS_MAX)
    list.push(
      ...(await Promise.all(
        some.map(async ([id, input]) => ({
          id,
          input,
          hash: await readOriginalHash(ctx, { namespace, id }),
        })),
      )),
    )
  }
  return list
}

/** Brings new inputs for a replay that was begun, in calls of bounded size. Answers whether it still stands. */
export async function bringInputs(
  ctx: ValkeyContext,
  flowId: FlowId,
  name: string,
  inputs: readonly NewInput[],
): Promise<boolean> {
  const { tag } = await placeOf(ctx, flowId)
  for (let from = 0; from < inputs.length; ) {
    const some = takeSome(inputs, from)
    const bytes: Uint8Array[] = []
    const items = some.map(({ id, input, hash }): [string, string, number, string] =>
      input === null ? [uuidOf(id), 'n', 0, hash] : [uuidOf(id), 'b', bytes.push(input), hash],
    )
    from += some.length
    const { reply } = await ctx.invoke({
      name: 'flows_replay_inputs',
      tag,
      args: [flowId, name, items, from === inputs.length],
      bytes,
    })
    if (!reply) return false
  }
  return true
}

/** At least one. */
function takeSome(inputs: readonly NewInput[], from: number): readonly NewInput[] {
  let size = 0
  let to = from
  while (to < inputs.length) {
    size += inputs[to]?.input?.byteLength ?? 0
    if (to > from && size > BYTES_MAX) break
    to += 1
  }
  return inputs.slice(from, to)
}
