import { type ExecutionId, type ExecutionOperations, limits, type Namespace } from '@flowfabric/core'

/** Which of the awaited executions have ended, or can't be read: either way the one who waits should look. */
export async function readExecutionEnds(
  executions: Pick<ExecutionOperations, 'getResult'>,
  waits: readonly { readonly id: string; readonly namespace: Namespace }[],
): Promise<readonly string[]> {
  const idsOfNamespace = new Map<Namespace, ExecutionId[]>()
  for (const { id, namespace } of waits) {
    const ids = idsOfNamespace.get(namespace) ?? []
    ids.push(id as ExecutionId)
    idsOfNamespace.set(namespace, ids)
  }
  const ended: string[] = []
  for (const [namespace, ids] of idsOfNamespace) {
    for (let from = 0; from < ids.length; from += limits.resultBatchMax) {
      const chunk = ids.slice(from, from + limits.resultBatchMax)
      const { items } = await executions.getResult({ namespace, ids: chunk })
      items.forEach((item, index) => {
        const id = chunk[index]
        if (item.outcome !== 'pending' && id !== undefined) ended.push(id)
      })
    }
  }
  return ended
}
