/** Handlers that sleep with their lease given back, and call a child: an execution or a flow. */
import { type ExecutionId, parseExecutionId, partitionTagOf } from '@flowfabric/core'
import { CallFailedError, defineFlow, defineTask, type HandlerContext, type } from '@flowfabric/sdk'
import { nowMs } from '../ledger.js'
import { detailOf, type RoleFactory } from '../role.js'
import { lane, retry } from '../tasks.js'

const kind = 'calls'

interface Called {
  /** What its call answered. */
  readonly answer: string
}

const callees = ['execution', 'flow', 'hopeless'] as const
type Callee = (typeof callees)[number]

export const children: RoleFactory = ({ ledger, basics, result }) => {
  const pair = defineFlow('pair', (f, input: { readonly ms: number }) => {
    const first = f.node(basics.quick, input, { name: 'first' })
    return { second: f.after(first).node(basics.quick, { ms: 0 }, { name: 'second' }) }
  })
  const callOf = (call: HandlerContext['call'], callee: Callee): Promise<string> => {
    if (callee === 'execution') return call('child', basics.quick, { ms: 2 })
    if (callee === 'flow') return call('child', pair, { ms: 2 }).then(({ second }) => String(second))
    return call('child', basics.hopeless).then(String)
  }
  const calls = defineTask({
    kind,
    lane,
    retry,
    input: type<{ readonly callee: Callee; readonly sleepMs: number }>(),
    output: type<string>(),
    async handler(context) {
      const { callee, sleepMs } = context.input
      await context.sleep(sleepMs)
      const answer = await callOf(context.call, callee).catch((error: unknown) => {
        if (error instanceof CallFailedError) return `${error.childId} ${error.outcome}`
        throw error
      })
      return result(context, { answer } satisfies Called)
    },
  })
  return {
    name: 'children',
    weight: 8,
    tasks: [calls],
    async act({ client, below }) {
      const beganAtMs = nowMs()
      const callee = callees[below(callees.length)] ?? 'execution'
      const handle = await client.submit(calls, { callee, sleepMs: below(2) * 250 })
      ledger.note('execution', { id: handle.id, beganAtMs, atMs: nowMs() })
      if (below(6) > 0) return
      const cancelledAtMs = nowMs()
      const { outcome } = await handle.cancel()
      if (outcome !== 'cancelled') return
      const when = { generation: 1, beganAtMs: cancelledAtMs, atMs: nowMs() }
      ledger.note('end', { id: handle.id, outcome, ...when })
    },
    async judge({ stored, ofKind, resultOf, wrong, lost }) {
      const counts = new Map<ExecutionId, number>()
      for (const { parent } of stored.values()) {
        if (parent !== null) counts.set(parent.id, (counts.get(parent.id) ?? 0) + 1)
      }
      for (const { id, createdAtMs, terminalAtMs } of ofKind(kind)) {
        const count = counts.get(id) ?? 0
        if (count > 1) wrong(`${id} has called ${count} children`)
        const answer = detailOf<Called>(resultOf(id))?.answer
        if (answer === undefined) continue
        const told = { beganAtMs: createdAtMs, atMs: terminalAtMs ?? nowMs() }
        if (answer.endsWith(' not_found')) {
          lost('children', 'any', told, `${id} was answered ${answer}`)
          continue
        }
        // Who ran is named first: the child, or the last member of the flow that it is.
        const child = parseExecutionId(answer.slice(0, answer.indexOf(' ')))
        const ended = resultOf(child) ?? `${child} ${stored.get(child)?.publicState}`
        if (ended === answer) continue
        lost(
          'ends of children',
          partitionTagOf(child),
          told,
          `${id} was answered ${answer}, and it is ${ended}`,
        )
      }
    },
  }
}
