import { type AccessOperations, engineError, type Namespace } from '@flowfabric/core'

declare module 'fastify' {
  interface FastifyInstance {
    readonly namespaceGate: NamespaceGate
  }
}

/** Keeps new work from namespaces that take none. */
export interface NamespaceGate {
  /** Throws `namespace_not_accepting`. Asks the store once in 2 s at most for each namespace. */
  requireAccepting(namespace: Namespace): Promise<void>
}

/** For so long an answer of the store is good. */
const GOOD_MS = 2_000
const NAMESPACES_MAX = 10_000

/** Operations that bring new work. What grows a flow that was accepted goes on. */
const submissions: ReadonlySet<string> = new Set([
  'executions.submit',
  'executions.submitOne',
  'flows.submit',
  'flows.createDraft',
  'schedules.put',
  'schedules.create',
  'schedules.trigger',
  'schedules.backfill',
])

export function bringsWork(operation: string): boolean {
  return submissions.has(operation)
}

export function createNamespaceGate(access: AccessOperations): NamespaceGate {
  const known = new Map<Namespace, { readonly accepting: Promise<boolean>; readonly untilMs: number }>()
  const ask = async (namespace: Namespace) => (await access.getNamespace({ namespace })).namespace.accepting

  const look = (namespace: Namespace): Promise<boolean> => {
    const remembered = known.get(namespace)
    if (remembered !== undefined && performance.now() < remembered.untilMs) return remembered.accepting
    const accepting = ask(namespace)
    known.delete(namespace)
    known.set(namespace, { accepting, untilMs: performance.now() + GOOD_MS })
    accepting.catch(() => known.delete(namespace))
    const [oldest] = known.keys()
    if (known.size > NAMESPACES_MAX && oldest !== undefined) known.delete(oldest)
    return accepting
  }

  return {
    async requireAccepting(namespace) {
      if (await look(namespace)) return
      throw engineError('namespace_not_accepting', `The namespace ${namespace} accepts no new work`)
    },
  }
}
