import type { ResumeCondition, SignalMatch } from '../contract/suspensions.js'
import { type EngineError, engineError } from '../errors/engine-error.js'
import {
  type ExecutionId,
  isExecutionId,
  parseExecutionId,
  parseFlowId,
  parseWaitpointId,
  partitionIndexOf,
} from '../ids/index.js'
import { limits } from '../limits.js'
import { requireFreeName } from '../names.js'
import { type PartitionConfig, requirePartitionIndex } from '../partitions/index.js'
import { checkMatcher } from './matchers.js'
import { checkOwnPartition } from './scope.js'

/**
 * Checks a resume condition as a whole: its shape, its bounds, that it names waitpoints of the execution's partition, and
 * that it can become true. Whether the waitpoints are the execution's own is the store's to see. Throws `invalid_condition`,
 * `condition_too_large`, `condition_unsatisfiable`, `invalid_matcher`, `partition_mismatch`, or the code of a bad id.
 */
export function checkCondition(condition: unknown, execution: ExecutionId, counts: PartitionConfig): void {
  const seen: Seen = { execution, counts, nodes: 0, counted: 0 }
  checkNode(condition, seen, 1)
  if (seen.counted > limits.conditionCountMax) throw tooLarge('count', limits.conditionCountMax, seen.counted)
  const bytes = utf8.encode(JSON.stringify(condition)).length
  if (bytes > limits.conditionBytesMax) throw tooLarge('bytes', limits.conditionBytesMax, bytes)
}

interface Seen {
  readonly execution: ExecutionId
  readonly counts: PartitionConfig
  nodes: number
  counted: number
}

type Fields<Node> = { readonly [K in keyof Node]?: unknown }
type AnyNode = Fields<{ readonly [K in AllKeys<ResumeCondition>]: unknown }>
type AllKeys<Union> = Union extends unknown ? keyof Union : never

function checkNode(value: unknown, seen: Seen, depth: number): void {
  if (typeof value !== 'object' || value === null) throw invalid('a node is not an object')
  seen.nodes += 1
  if (depth > limits.conditionDepthMax) throw tooLarge('depth', limits.conditionDepthMax, depth)
  if (seen.nodes > limits.conditionNodesMax) throw tooLarge('nodes', limits.conditionNodesMax)
  const node = value as AnyNode
  switch (node.kind) {
    case 'signal':
      checkWaitpoint(node.waitpointId, seen)
      checkMatch(node.match)
      return
    case 'all_of':
    case 'any_of':
      for (const child of listOf(node.of, node.kind)) checkNode(child, seen, depth + 1)
      return
    case 'count':
      checkCount(node, seen)
      return
    case 'child':
      checkChild(node.id, seen)
      return
    default:
      throw invalid('the kind of a node is none of signal, all_of, any_of, count, child')
  }
}

function listOf(of: unknown, kind: 'all_of' | 'any_of'): readonly unknown[] {
  if (!Array.isArray(of)) throw invalid(`the nodes of ${kind} are not a list`)
  if (of.length > 0) return of
  throw kind === 'any_of' ? unsatisfiable('any of nothing') : invalid('all_of has nothing to wait for')
}

function checkCount(node: AnyNode, seen: Seen): void {
  const { n, of, waitpointIds } = node
  if (of !== 'signals' && of !== 'waitpoints' && of !== 'sources')
    throw invalid('count counts signals, waitpoints or sources')
  if (!Number.isSafeInteger(n) || (n as number) < 1) throw invalid('n of count is not a whole number from 1')
  seen.counted += n as number
  if (!Array.isArray(waitpointIds)) throw invalid('the waitpoints of count are not a list')
  if (waitpointIds.length === 0) throw unsatisfiable('a count over no waitpoints')
  for (const id of waitpointIds) checkWaitpoint(id, seen)
  const distinct = new Set(waitpointIds).size
  if (distinct < waitpointIds.length) throw invalid('count names a waitpoint twice')
  if (of === 'waitpoints' && (n as number) > distinct) {
    throw unsatisfiable(`${n} waitpoints of ${distinct}`)
  }
  checkMatch(node.match)
}

function checkWaitpoint(id: unknown, seen: Seen): void {
  checkOwnPartition(parseWaitpointId(id as string), seen.execution)
}

function checkChild(id: unknown, { execution, counts }: Seen): void {
  if (id === execution) throw unsatisfiable('an execution that waits for its own end')
  if (isExecutionId(id) || (typeof id === 'string' && id.startsWith('{'))) {
    requirePartitionIndex(partitionIndexOf(parseExecutionId(id)), counts.flow)
  } else parseFlowId(id as string)
}

function checkMatch(value: unknown): void {
  if (value === undefined) return
  if (typeof value !== 'object' || value === null) throw invalid('a match is not an object')
  const { name, payload } = value as Fields<SignalMatch>
  if (name !== undefined) requireFreeName(name as string, 'signal')
  if (payload !== undefined) checkMatcher(payload)
}

function invalid(fault: string): EngineError {
  return engineError('invalid_condition', `A resume condition is malformed: ${fault}`)
}

function unsatisfiable(what: string): EngineError {
  return engineError('condition_unsatisfiable', `A resume condition cannot become true: ${what}`)
}

function tooLarge(field: string, max: number, actual?: number): EngineError {
  return engineError('condition_too_large', `A resume condition is past its bound of ${field}, ${max}`, {
    max,
    actual,
    field,
  })
}

const utf8 = new TextEncoder()
