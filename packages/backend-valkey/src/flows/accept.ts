import {
  engineError,
  type FlowId,
  type FlowOptions,
  type LaneId,
  type LaneState,
  type Namespace,
} from '@flowfabric/core'
import type { ValkeyContext } from '../context.js'
import type { LibraryFunctions } from '../generated/functions.js'
import { asList } from '../library/as-list.js'
import { packParent } from '../records/stored-execution.js'
import { createCallParts } from './call-parts.js'
import { type FlowContent, growthHashOf } from './flow-content.js'
import { type PackedNode, sizeOf } from './pack-graph.js'
import { fitInOneCall, letIn, nodesOfFlowMax, stage, unstage } from './staged-growth.js'
import { createSubmitChannel } from './submit-channel.js'

type Head = LibraryFunctions['flows_submit']['args'][1][number][0]

/** A flow ready for the store. */
export interface FlowSubmission {
  readonly tag: string
  readonly flowId: FlowId
  readonly head: Head
  readonly content: FlowContent
  readonly nodes: readonly PackedNode[]
  /** Store time after which it is not accepted any more; 0: none. */
  readonly notAfterMs: number
}

export type AcceptReply =
  | { readonly kind: 'accepted' }
  /** What is stored under the id. */
  | { readonly kind: 'taken'; readonly namespace: string; readonly content: FlowContent }
  /** The id of a member is another execution's. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'lane_closed'; readonly lane: LaneId; readonly state: LaneState }
  | { readonly kind: 'too_many_routes'; readonly lane: LaneId }
  /** It came too late. */
  | { readonly kind: 'stale' }

/** Brings flows to the store: small ones share calls, large ones come in parts. */
export function createAccept(ctx: ValkeyContext): (submission: FlowSubmission) => Promise<AcceptReply> {
  const channels = new Map<string, (submission: FlowSubmission) => Promise<readonly unknown[]>>()
  const channelOf = (tag: string) => {
    let channel = channels.get(tag)
    if (channel === undefined) {
      channel = createSubmitChannel({
        keyOf: ({ flowId }) => flowId,
        sizeOf: ({ nodes }) => ({ nodes: nodes.length, bytes: sizeOf(nodes) }),
        run: (submissions) => callSubmit(ctx, tag, submissions),
      })
      channels.set(tag, channel)
    }
    return channel
  }
  return async (submission) => {
    const { nodes, tag } = submission
    if (!fitInOneCall(nodes, nodesOfFlowMax)) return readReply(await acceptStaged(ctx, submission))
    const reply = await channelOf(tag)(submission)
    return readReply(reply[0] === 'p' ? await acceptStaged(ctx, submission) : reply)
  }
}

async function callSubmit(
  ctx: ValkeyContext,
  tag: string,
  submissions: readonly FlowSubmission[],
): Promise<readonly (readonly unknown[])[]> {
  const parts = createCallParts()
  const flows = submissions.map(
    ({ head, notAfterMs, nodes }): LibraryFunctions['flows_submit']['args'][1][number] => {
      const packed = parts.pack(nodes)
      return [head, notAfterMs, packed.ids, packed.nodes]
    },
  )
  const { reply } = await ctx.invoke({
    name: 'flows_submit',
    tag,
    args: [parts.routes, flows],
    bytes: parts.bytes,
  })
  return asList(reply)
}

/** Nothing of it is seen before the commit, and all of it from then on. */
async function acceptStaged(ctx: ValkeyContext, submission: FlowSubmission): Promise<readonly unknown[]> {
  const { tag, flowId, head, content, nodes, notAfterMs } = submission
  const hash = growthHashOf(content, [])
  const lanes = [...new Set(nodes.map(({ route }) => route.laneKey))]
  for (;;) {
    const staged = await stage(ctx, { tag, flowId, head, kind: 'f', hash, nodes, notAfterMs })
    if (staged !== 'complete') return staged
    const { reply } = await ctx.invoke({
      name: 'flows_commit',
      tag,
      args: [flowId, hash, nodes.length, lanes],
    })
    switch (reply[0]) {
      case 'a':
        await letIn(ctx, tag, flowId)
        return reply
      case 'l':
        await unstage(ctx, tag, flowId, hash)
        return reply
      case 't':
        return reply
      default:
        // Its time was over, and parts of it were removed: they are brought again.
        continue
    }
  }
}

function readReply(reply: readonly unknown[]): AcceptReply {
  const [word, first, second, third] = reply
  switch (word) {
    case 'a':
      return { kind: 'accepted' }
    case 't':
      return {
        kind: 'taken',
        namespace: String(first),
        content: { shape: String(second), ids: String(third) },
      }
    case 'c':
      return { kind: 'conflict' }
    case 'l':
      return { kind: 'lane_closed', lane: laneOf(first), state: second as LaneState }
    case 'r':
      return { kind: 'too_many_routes', lane: laneOf(first) }
    case 'k':
      return { kind: 'stale' }
    default:
      throw engineError('corruption', `a flow was answered ${String(word)}`, { subject: 'flows_submit' })
  }
}

/** Of `<namespace>/<lane>`. */
export function laneOf(key: unknown): LaneId {
  const text = String(key)
  return text.slice(text.indexOf('/') + 1) as LaneId
}

/** What a flow's record begins with. A draft has no content. */
export function headOf(
  options: FlowOptions & { readonly namespace: Namespace },
  content: FlowContent | null,
): Head {
  const { flowId, namespace, name = '', tags, deadlineMs = 0, parent } = options
  return [
    flowId,
    namespace,
    name,
    tags === undefined ? '' : JSON.stringify(tags),
    deadlineMs,
    content?.shape ?? '',
    content?.ids ?? '',
    packParent(parent),
  ]
}
