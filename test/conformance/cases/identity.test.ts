import {
  makeExecutionId,
  mintFlowId,
  mintUuid,
  parseKind,
  parseLaneId,
  partitionOfFlow,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('identity', () => {
  const store = useStore({ partitions: { flow: 16 } })

  it('an id outside the configured count is refused at submit', async () => {
    const { backend, namespace } = store()
    const outside = makeExecutionId(200, mintUuid())
    const answer = await backend.executions.submit({
      namespace,
      items: [{ ...store().aSolo(), id: outside }],
    })
    expect(answer.items).toMatchObject([{ outcome: 'error', error: { code: 'partition_out_of_range' } }])
    await expect(backend.executions.get({ namespace, id: outside })).rejects.toMatchObject({
      kind: expect.anything(),
    })
    expect(await backend.executions.count({ namespace })).toEqual({ outcome: 'counted', count: 0 })

    const flowId = mintFlowId()
    const other = makeExecutionId((partitionOfFlow(flowId, 16) + 1) % 16, mintUuid())
    const node = { id: other, kind: parseKind('work'), lane: parseLaneId('solos'), input: null }
    await expect(backend.flows.submit({ namespace, flowId, nodes: [node], edges: [] })).rejects.toMatchObject(
      {
        code: 'partition_mismatch',
      },
    )
    await expect(backend.flows.get({ namespace, flowId })).rejects.toMatchObject({ code: 'flow_not_found' })
    expect(await backend.executions.count({ namespace })).toEqual({ outcome: 'counted', count: 0 })
  })

  it('one count for flows and executions', async () => {
    const { backend, namespace } = store()
    await expect(backend.maintenance.prepare({ partitions: { flow: 32 } })).rejects.toMatchObject({
      code: 'partition_count_mismatch',
      message: expect.stringMatching(/16.*32|32.*16/),
    })
    expect(await backend.maintenance.prepare({ partitions: { flow: 16 } })).toMatchObject({
      partitions: { flow: 16 },
    })
    expect((await backend.maintenance.describe()).partitions.flow).toBe(16)
    // Every scanner of the flow family visits exactly these.
    const { partitions } = await backend.maintenance.pulse({ partitions: store().partitions })
    expect(partitions.map(({ partition }) => partition)).toEqual(
      Array.from({ length: 16 }, (_, index) => `{fp:${index}}`),
    )
    await expect(
      backend.resolution.dispatchCompletions({ partition: '{fp:16}' as never, max: 1 }),
    ).rejects.toMatchObject({ code: 'partition_out_of_range' })
    const flow = await FlowDriver.submit(store(), { a: {} })
    expect((await flow.execution('a')).namespace).toBe(namespace)
  })

  it('swap at the root', async () => {
    const transcript = await runProgram()
    expect(transcript).toEqual(expectedTranscript)
  })

  /** One program against the contract; the project that runs it chooses the backend. */
  async function runProgram(): Promise<string[]> {
    const lines: string[] = []
    const flow = await FlowDriver.submit(store(), {
      list: {},
      left: { after: ['list'], retry: oneRetryAtOnce },
      right: { after: ['list'] },
      race: { after: { left: 'l', right: 'r' }, join: { policy: { kind: 'any_of' } } },
      never: { after: ['race'], join: { runOn: 'groupImpossible' } },
      last: { after: ['race', 'never'], join: { runOn: 'always', policy: { kind: 'any_of' } } },
    })
    const say = async (what: string) =>
      lines.push(`${what}: ${JSON.stringify(await flow.states())} ${(await flow.flow()).state}`)
    await say('submitted')
    await flow.end('list', 'success')
    await flow.settle()
    await say('list')
    await flow.start('left', 'right')
    lines.push(await flow.fail('left', 'policy'))
    await flow.start('left')
    lines.push(await flow.complete('left', 'won'), await flow.complete('left', 'again'))
    await flow.settle()
    lines.push(await flow.complete('right', 'lost'))
    await say('race')
    await flow.start('race')
    lines.push(JSON.stringify(flow.lease('race').upstream.map(({ as, satisfied }) => [as, satisfied])))
    await flow.complete('race')
    await flow.settle()
    await say('raced')
    await flow.end('last', 'success')
    await flow.settle()
    await say('last')
    lines.push(JSON.stringify(await flow.results()))
    lines.push((await flow.cancel('cancel_all')).outcome, (await flow.replay('failed')).outcome)
    return lines
  }
})

const oneRetryAtOnce = {
  maxAttempts: 2,
  backoff: { kind: 'fixed', initialMs: 0, multiplier: 1, maxMs: 0, jitter: false },
  nonRetryable: [],
} as const

const states = (values: Record<string, string>) => JSON.stringify(values)
const waiting = 'waiting_children'

const expectedTranscript = [
  `submitted: ${states({ list: 'waiting', left: waiting, right: waiting, race: waiting, never: waiting, last: waiting })} open`,
  `list: ${states({ list: 'completed', left: 'waiting', right: 'waiting', race: waiting, never: waiting, last: waiting })} open`,
  'retrying',
  'completed',
  'completed',
  'execution_not_active',
  `race: ${states({ list: 'completed', left: 'completed', right: 'cancelled', race: 'waiting', never: waiting, last: waiting })} open`,
  '[["l",true],["r",false]]',
  `raced: ${states({ list: 'completed', left: 'completed', right: 'cancelled', race: 'completed', never: 'skipped', last: 'waiting' })} open`,
  `last: ${states({ list: 'completed', left: 'completed', right: 'cancelled', race: 'completed', never: 'skipped', last: 'completed' })} completed`,
  '{"last":"result of last"}',
  'flow_terminal',
  'nothing_to_replay',
]
