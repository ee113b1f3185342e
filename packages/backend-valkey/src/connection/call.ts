import { type EngineError, unreachable } from '@flowfabric/core'
import type { Changes } from './changes.js'
import type { Command, Reply } from './command.js'
import { judgeFault, type Verdict } from './fault.js'
import { FunctionFault } from './function-fault.js'
import type { Node, Nodes } from './node.js'
import type { ConnectionSettings } from './options.js'
import { createPatience, type Patience } from './patience.js'
import type { Topology } from './topology.js'
import type { UnderWay } from './under-way.js'

export interface CallOptions {
  /**
   * Whether carrying the command out twice does what once does. Then it is repeated when its answer was lost; otherwise
   * the call ends there, with `mayHaveCommitted`.
   */
  readonly idempotent: boolean
}

/** A reply, and who gave it. */
export interface Answer {
  readonly reply: Reply
  readonly node: Node
  /** Names the process that answered: another one behind the same address may have lost what this one wrote. */
  readonly runId: string
}

/** Who is to answer; asked again before every try, since that changes. Throws when it can be nobody any more. */
export type Route = () => Node | undefined

/** Sends a command where the route leads until it is answered. */
export type Send = (route: Route, command: Command, options: CallOptions) => Promise<Answer>

export interface CallerParts {
  readonly settings: ConnectionSettings
  readonly topology: Topology
  readonly nodes: Nodes
  readonly changes: Changes
  readonly underWay: UnderWay
  /** The error for calls of a connection that was closed. */
  closed(): EngineError | undefined
}

/** So many redirections are followed at once; more of them mean that the nodes don't agree yet. */
const HOPS_MAX = 5

/**
 * Calls reject with an `EngineError` or a `FunctionFault`, at the latest after `callTimeoutMs` + `retryForMs` + 1 s.
 */
export function createCaller(parts: CallerParts): Send {
  const { settings, topology, nodes, changes, underWay, closed } = parts

  /** Until there is a connection, or another node to turn to. */
  const waitFor = async (node: Node | undefined, patience: Patience): Promise<void> => {
    const fault = node?.fault
    // That a server refuses us doesn't pass by itself.
    if (fault !== undefined && fault.code !== 'store_unreachable') throw patience.end(fault)
    const absence = node === undefined ? topology.absence : `${node.name} is not connected yet`
    const waitMs = patience.hold(fault?.message ?? absence)
    topology.suspect()
    await changes.wait(waitMs)
  }

  /** Does what the failure of a try asks for. Answers who is to be asked next, where it is not whom the route leads to. */
  const recover = async (node: Node, verdict: Verdict, patience: Patience): Promise<Node | undefined> => {
    switch (verdict.kind) {
      case 'function': {
        const { mayHaveCommitted } = patience
        throw new FunctionFault({ ...verdict, node: node.name, mayHaveCommitted })
      }
      case 'refused':
        throw patience.end(verdict.error)
      case 'moved':
      case 'ask': {
        const { slot, address } = verdict
        const target = address.host === '' ? { ...address, host: node.address.host } : address
        const isBackAndForth = patience.countHop() > HOPS_MAX
        if (isBackAndForth)
          await pause(patience.hold(`${node.name} is not the last to send the call elsewhere`))
        if (verdict.kind === 'ask') return nodes.at(target)
        topology.learn(slot, target)
        return undefined
      }
      case 'pause':
        if (verdict.isViewOld) topology.suspect()
        await pause(patience.hold(`${node.name} answered: ${verdict.text}`))
        return undefined
      case 'unsent':
        await waitFor(node, patience)
        return undefined
      case 'unknown':
        patience.lose(verdict)
        topology.suspect()
        return undefined
      default:
        return unreachable(verdict)
    }
  }

  const tryUntilAnswered: Send = async (route, command, { idempotent }) => {
    let patience: Patience | undefined
    let asked: Node | undefined
    for (;;) {
      const closedError = closed()
      if (closedError !== undefined) throw patience?.end(closedError) ?? closedError
      const isAsking = asked !== undefined
      const node = asked ?? findNode(route, patience)
      asked = undefined
      const socket = node?.socket
      if (node === undefined || socket === undefined) {
        patience ??= createPatience(settings, idempotent)
        await waitFor(node, patience)
        continue
      }
      try {
        const reply = await node.send(command, patience?.tryForMs ?? settings.callTimeoutMs, isAsking)
        return { reply, node, runId: socket.facts.runId }
      } catch (fault) {
        patience ??= createPatience(settings, idempotent)
        asked = await recover(node, judgeFault(fault), patience)
      }
    }
  }

  return async (route, command, options) => {
    underWay.enter()
    try {
      return await tryUntilAnswered(route, command, options)
    } finally {
      underWay.leave()
    }
  }
}

function findNode(route: Route, patience: Patience | undefined): Node | undefined {
  try {
    return route()
  } catch (fault) {
    throw patience?.end(fault as EngineError) ?? fault
  }
}

function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, waitMs))
}
