import { type ClaimRequest, type ExecutionId, mintFlowId } from '@flowfabric/core'
import type { Engine } from '@flowfabric/engine'
import { afterEach, describe, expect, it } from 'vitest'
import { flowPartitions } from '../support/drive.js'
import { FlowDriver } from '../support/flow-driver.js'
import { namespace, openStage, type Stage } from './stage.js'

let stage: Stage

afterEach(() => stage.close())

async function openEngine(): Promise<Engine> {
  stage = openStage({ partitionCount: 2 })
  const engine = stage.openEngine({ scanners: [] })
  await engine.start()
  return engine
}

async function complete(traits: Partial<ClaimRequest> = {}): Promise<void> {
  const claim = await stage.model.leases.claim(stage.aClaim({ waitMs: 0, ...traits }))
  if (claim.outcome !== 'claimed') throw new Error('nothing to claim')
  const handle = claim.leases[0]?.handle ?? ''
  await stage.model.leases.complete({ namespaces: [namespace], items: [{ handle, result: null }] })
}

function waitFor(engine: Engine, id: ExecutionId, waitMs = 30_000) {
  const seen: { outcome?: string } = {}
  void engine.results.waitForExecution({ namespace, id, waitMs }).then((answer) => {
    seen.outcome = answer.outcome
  })
  return seen
}

describe('waiting for an execution’s end', () => {
  it('ends with the hint, after two readings in all', async () => {
    const engine = await openEngine()
    const id = await stage.submit()
    const seen = waitFor(engine, id)
    await stage.clock.advance(500)
    expect(seen.outcome).toBeUndefined()
    await complete()
    await stage.clock.settle()
    expect(seen.outcome).toBe('success')
    expect(stage.calls.get('executions.getResult')).toBe(2)
    expect(stage.clock.pending).toBe(0)
  })

  it('ends with the next look when the hint was lost, one reading for all who wait', async () => {
    const engine = await openEngine()
    stage.passHint = () => false
    const waits = []
    for (let each = 0; each < 20; each++) waits.push(waitFor(engine, await stage.submit()))
    await stage.clock.settle()
    await complete()
    stage.forgetCalls()
    await stage.clock.advance(1_000)
    expect(waits.filter(({ outcome }) => outcome === 'success')).toHaveLength(1)
    // One for all, and one for the one that ended.
    expect(stage.calls.get('executions.getResult')).toBe(2)
    stage.forgetCalls()
    await stage.clock.advance(25_000)
    expect(stage.calls.get('executions.getResult')).toBeLessThanOrEqual(6)
  })

  it('answers pending when the time is over, or when its caller goes away', async () => {
    const engine = await openEngine()
    const id = await stage.submit()
    const seen = waitFor(engine, id, 2_000)
    await stage.clock.advance(1_990)
    expect(seen.outcome).toBeUndefined()
    await stage.clock.advance(20)
    expect(seen.outcome).toBe('pending')
    const gone = new AbortController()
    const aborted = engine.results.waitForExecution({ namespace, id, waitMs: 9_000, signal: gone.signal })
    await stage.clock.settle()
    gone.abort()
    expect((await aborted).outcome).toBe('pending')
    expect((await engine.results.waitForExecution({ namespace, id, waitMs: 0 })).outcome).toBe('pending')
  })

  it('a hint that came too early does not end the wait', async () => {
    const engine = await openEngine()
    const id = await stage.submit()
    const seen = waitFor(engine, id)
    await stage.clock.settle()
    for (const listener of stage.model.store.listeners) listener({ type: 'ended', id })
    await stage.clock.settle()
    expect(seen.outcome).toBeUndefined()
    await complete()
    await stage.clock.settle()
    expect(seen.outcome).toBe('success')
  })

  it('an unknown id is the item’s error at once', async () => {
    const engine = await openEngine()
    const id = engine.router.mintSoloId({ namespace, lane: 'default' })
    const answer = await engine.results.waitForExecution({ namespace, id, waitMs: 30_000 })
    expect(answer).toMatchObject({ outcome: 'error', error: { code: 'execution_not_found' } })
  })
})

describe('waiting for a flow’s end', () => {
  it.each([true, false])('ends with the flow; hints get through: %s', async (hintsPass) => {
    const engine = await openEngine()
    const stageOfFlow = { backend: stage.model, namespace, partitions: flowPartitions(2) }
    const flow = await FlowDriver.submit(stageOfFlow, { only: {} })
    stage.passHint = () => hintsPass
    let outcome: string | undefined
    void engine.results.waitForFlow({ namespace, flowId: flow.flowId, waitMs: 20_000 }).then((answer) => {
      outcome = answer.outcome
    })
    await stage.clock.settle()
    await flow.end('only', 'success')
    await flow.settle()
    await stage.clock.advance(hintsPass ? 0 : 1_000)
    await stage.clock.settle()
    expect(outcome).toBe('completed')
  })

  it('an unknown flow is refused', async () => {
    const engine = await openEngine()
    const waiting = engine.results.waitForFlow({ namespace, flowId: mintFlowId(), waitMs: 1_000 })
    await expect(waiting).rejects.toMatchObject({ code: 'flow_not_found' })
  })
})
