import {
  type ExecutionFilter,
  type FlowState,
  type ListFlows,
  type PublicState,
  parseFlowId,
  parseKind,
  parseLaneId,
} from '@flowfabric/core'
import { readTagPairs } from '@flowfabric/core/wire'
import type { Command } from 'commander'
import { CommandError, exitCodes } from './terminal.js'

/** What a command is told of the executions that it is about. */
export interface FilterFlags {
  readonly lane?: string
  readonly kind?: string
  readonly state?: readonly string[]
  readonly tag?: readonly string[]
  readonly flow?: string
  readonly from?: string
  readonly before?: string
  readonly endedFrom?: string
  readonly endedBefore?: string
}

export function withFilterOptions(command: Command, states = 'in any of these states'): Command {
  return command
    .option('--lane <name>', 'of this lane')
    .option('--kind <kind>', 'of this kind')
    .option('--state <states...>', states)
    .option('--tag <key:value...>', 'with all of these tags')
    .option('--flow <id>', 'members of this flow')
    .option('--from <time>', 'created at or after this, as ISO 8601')
    .option('--before <time>', 'created before this')
}

/** Of listings and counts; what has ended is not cancelled. */
export function withEndOptions(command: Command): Command {
  return command
    .option('--ended-from <time>', 'ended at or after this')
    .option('--ended-before <time>', 'ended before this')
}

export function filterOf(flags: FilterFlags): ExecutionFilter {
  const { lane, kind, state, tag, flow } = flags
  return {
    lane: lane === undefined ? undefined : parseLaneId(lane),
    kind: kind === undefined ? undefined : parseKind(kind),
    states: state as readonly PublicState[] | undefined,
    tags: readTagPairs(tag),
    flowId: flow === undefined ? undefined : parseFlowId(flow),
    ...timesOf(flags),
  }
}

/** The same of flows, which have neither lane nor kind. */
export function flowFilterOf(flags: FilterFlags & { readonly name?: string }): Omit<ListFlows, 'namespace'> {
  const { lane, kind, flow, state, tag, name } = flags
  if ([lane, kind, flow].some((each) => each !== undefined))
    throw new CommandError('Flows have no --lane, --kind or --flow', exitCodes.usage)
  return {
    states: state as readonly FlowState[] | undefined,
    tags: readTagPairs(tag),
    name,
    ...timesOf(flags),
  }
}

function timesOf({ from, before, endedFrom, endedBefore }: FilterFlags) {
  return {
    createdFromMs: readTime(from),
    createdBeforeMs: readTime(before),
    endedFromMs: readTime(endedFrom),
    endedBeforeMs: readTime(endedBefore),
  }
}

function readTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw new CommandError(`${text} is no time in ISO 8601`, exitCodes.usage)
  return ms
}
