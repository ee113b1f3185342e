import {
  type ExecutionId,
  type Handle,
  isEngineError,
  isErrorCode,
  must,
  parseKind,
  type Situation,
  situationOf,
  situations,
  type TransitionEvent,
  transitionEvents,
  transitions,
  type WaitpointId,
} from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../support/admission-driver.js'
import { readOne, steadyRetry } from '../support/builders.js'
import { FlowDriver, type NodePlan } from '../support/flow-driver.js'
import { onSignal, SuspensionDriver } from '../support/suspension-driver.js'
import { type TestStore, useStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

/** Walks the table of `core/state/transitions.ts`: each cell that can be reached is arranged by the public operations. */
const store = useStore()

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** What the tests of deadlines give an execution. */
const BOUND_MS = 20_000
/** Longer than any bound here. */
const LEASE_MS = HOUR_MS

/** An execution in its situation, as a member of a flow, and who may act on it. */
interface Scene {
  readonly store: TestStore
  readonly flow: FlowDriver
  readonly worker: WorkerDriver
  readonly id: ExecutionId
  readonly handle: Handle | undefined
  /** What it waits for while it is throttled: the only slot, and who has it. */
  readonly slot: { readonly admission: AdmissionDriver; handle: Handle | undefined } | undefined
  /** Where a signal is sent to, once there is a waitpoint. */
  waitpointId: WaitpointId | undefined
}

/** Cells that need another way into the situation: through a draft, an upstream, or a lease that was lost. */
const inDraft: readonly TransitionEvent[] = ['seal', 'draft_expiry']
const underUpstream: readonly TransitionEvent[] = ['group_run', 'group_skip']
const byHolder: readonly TransitionEvent[] = [
  'complete',
  'fail_retryable',
  'fail_final',
  'delay',
  'yield',
  'suspend',
]

async function arrange(situation: Situation, event: TransitionEvent): Promise<Scene> {
  const s = store()
  const isDelayedRoot = situation === 'delayed' && !byHolder.includes(event) && event !== 'deadline'
  const hasUpstream = situation === 'blocked' || (situation === 'ended' && underUpstream.includes(event))
  const admission = situation === 'throttled' ? new AdmissionDriver(s) : undefined
  const node: NodePlan = {
    ...(admission && { quotas: [{ quotaId: await admission.quota({ concurrency: 1 }) }] }),
    retry: steadyRetry(),
    timeouts: {
      ...(event === 'deadline' && { deadlineMs: BOUND_MS }),
      ...(event === 'queue_ttl' && { queueTtlMs: BOUND_MS }),
      ...(event === 'attempt_timeout' && { attemptTimeoutMs: BOUND_MS }),
    },
    ...(isDelayedRoot && { delayMs: HOUR_MS }),
    ...(hasUpstream && { after: ['u'] }),
  }
  const plan = { u: {}, w: {}, x: node }
  const isDraft =
    situation === 'draft_root' || (['blocked', 'ended'].includes(situation) && inDraft.includes(event))
  const flow = isDraft
    ? await draft(s, plan)
    : await FlowDriver.submit(s, plan, event === 'flow_deadline' ? { deadlineMs: BOUND_MS } : {})
  const worker = new WorkerDriver(s, { lanes: [flow.lane], kinds: [parseKind('x')], leaseTtlMs: LEASE_MS })
  const id = flow.id('x')
  const slot = admission && { admission, handle: undefined }
  const scene: Scene = { store: s, flow, worker, id, slot, handle: undefined, waitpointId: undefined }
  if (event === 'signal') scene.waitpointId = await new SuspensionDriver(s).waitpoint(id)
  const handle = await bring(situation, event, scene)
  return { ...scene, handle }
}

async function draft(s: TestStore, plan: Record<string, NodePlan>): Promise<FlowDriver> {
  const flow = new FlowDriver(s)
  await s.backend.flows.createDraft({ namespace: s.namespace, flowId: flow.flowId })
  await flow.extend(plan)
  return flow
}

/** Brings a fresh member into the situation, and answers the handle of its last lease, if it had one. */
async function bring(
  situation: Situation,
  event: TransitionEvent,
  scene: Scene,
): Promise<Handle | undefined> {
  const { store: s, worker, id } = scene
  const target = { namespace: s.namespace, id }
  switch (situation) {
    case 'draft_root':
    case 'blocked':
    case 'ready':
      return undefined
    case 'throttled': {
      const slot = must(scene.slot, 'a quota')
      slot.handle = await slot.admission.fill()
      expect(await worker.claim()).toEqual([])
      return undefined
    }
    case 'held':
      await s.backend.executions.hold(target)
      return undefined
    case 'delayed': {
      if (event === 'deadline') {
        const { handle } = await worker.claimOne()
        await worker.fail(handle, { retry: { afterMs: HOUR_MS } })
        return handle
      }
      if (!byHolder.includes(event)) return undefined
      // Only the second lease that is lost is followed by a pause.
      await loseLease(scene)
      return loseLease(scene)
    }
    case 'active': {
      const ttl = event === 'lease_expiry' ? { leaseTtlMs: BOUND_MS } : {}
      return (await worker.claimOne(ttl)).handle
    }
    case 'reclaimable':
      return loseLease(scene)
    case 'put_aside':
    case 'resumable': {
      const { handle } = await worker.claimOne()
      const isDue = situation === 'resumable'
      await worker.delay(handle, (await s.nowMs()) + (isDue ? 0 : HOUR_MS))
      return handle
    }
    case 'suspended': {
      const { handle } = await worker.claimOne()
      const driver = new SuspensionDriver(s)
      const waitpointId = scene.waitpointId ?? (await driver.waitpoint(id))
      await driver.suspend(
        { id, handle },
        { condition: onSignal(waitpointId), timeout: { afterMs: 2 * HOUR_MS, behaviour: 'auto_resume' } },
      )
      return handle
    }
    case 'ended': {
      if (inDraft.includes(event) || underUpstream.includes(event)) {
        await s.backend.executions.cancel(target)
        return undefined
      }
      const { handle } = await worker.claimOne()
      await worker.complete(handle)
      return handle
    }
  }
}

async function loseLease({ store: s, worker }: Scene): Promise<Handle> {
  const { handle } = await worker.claimOne({ leaseTtlMs: 1_000 })
  await s.advance(1_000)
  await drainTimersOnce(s)
  return handle
}

/** Not `pass`: a pause of no length before a reclaim would be over at once, too. */
async function drainTimersOnce({ backend, partitions }: TestStore): Promise<void> {
  for (const partition of partitions) await backend.maintenance.drainTimers({ partition, max: 100 })
}

/** Lets the event happen, and answers the outcome of the call, where there is one. */
async function happen(event: TransitionEvent, scene: Scene): Promise<string> {
  const { store: s, flow, worker, id, handle = '' } = scene
  const { executions, leases, flows } = s.backend
  const target = { namespace: s.namespace, id }
  switch (event) {
    case 'seal':
      return (await flows.seal({ namespace: s.namespace, flowId: flow.flowId })).outcome
    case 'group_run':
    case 'group_skip':
      await flow.end('u', event === 'group_run' ? 'success' : 'failed')
      return 'ended'
    case 'new_edge':
      return (await flow.extend({}, { edges: [flow.edge('w', 'x')] })).outcome
    case 'hold':
      return (await executions.hold(target)).outcome
    case 'release':
      return (await executions.release(target)).outcome
    case 'due':
      await s.pass(HOUR_MS)
      return 'passed'
    case 'room': {
      const { admission, handle: holder } = must(scene.slot, 'a quota')
      return (await admission.worker.complete(must(holder, 'who has its slot'))).outcome
    }
    case 'claim':
      return (await worker.claim()).length === 0 ? 'empty' : 'claimed'
    case 'complete':
      return (await worker.complete(handle)).outcome
    case 'fail_retryable':
      return (await worker.fail(handle)).outcome
    case 'fail_final':
      return (await worker.fail(handle, { retry: 'never' })).outcome
    case 'delay':
      return (await worker.delay(handle, (await s.nowMs()) + HOUR_MS)).outcome
    case 'yield':
      return (await worker.yield(handle)).outcome
    case 'suspend': {
      // A repeat is one whatever it asks for.
      const driver = new SuspensionDriver(s)
      const waitpointId = driver.mintWaitpoint(id)
      const waitpoints = [{ waitpointId, name: 'another' }]
      return (await driver.suspend({ id, handle }, { condition: onSignal(waitpointId), waitpoints })).outcome
    }
    case 'signal':
      return (await new SuspensionDriver(s).signal(must(scene.waitpointId, 'a waitpoint'))).outcome
    case 'suspension_timeout':
      await s.pass(2 * HOUR_MS)
      return 'passed'
    case 'revoke':
      return (await leases.revoke(target)).outcome
    case 'cancel':
      return (await executions.cancel(target)).outcome
    case 'cancel_with_grace':
      return (await executions.cancel({ ...target, graceMs: 10_000 })).outcome
    case 'lease_expiry':
    case 'attempt_timeout':
    case 'deadline':
    case 'queue_ttl':
    case 'flow_deadline':
      await s.advance(BOUND_MS)
      await drainTimersOnce(s)
      return 'passed'
    case 'draft_expiry':
      await s.pass(DAY_MS)
      return 'passed'
    case 'change_priority':
      return (await executions.changePriority({ ...target, priority: 7 })).outcome
    case 'replay':
      return (await executions.replay(target)).outcome
  }
}

async function outcomeOf(call: Promise<string>): Promise<string> {
  return call.catch((error: unknown) => {
    if (isEngineError(error)) return error.code
    throw error
  })
}

for (const situation of situations) {
  describe(`an execution that is ${situation}`, () => {
    const cells = transitionEvents.map((event) => [event, transitions[situation][event]] as const)
    const reachable = cells.filter(([, transition]) => transition.kind !== 'never')
    it.each(reachable)('meets %s as the table says', async (event, transition) => {
      const scene = await arrange(situation, event)
      const before = await readOne(scene.store, scene.id)
      expect(situationOf(before.state)).toBe(situation)

      const outcome = await outcomeOf(happen(event, scene))
      if (event !== 'claim') await scene.store.settle()

      const after = await readOne(scene.store, scene.id)
      if (transition.kind === 'moves') expect(transition.to).toContain(situationOf(after.state))
      else if (transition.kind === 'stays') {
        expect(situationOf(after.state)).toBe(situation)
        expect(isErrorCode(outcome)).toBe(false)
      } else
        expect({ outcome, state: after.state }).toEqual({ outcome: refusal(transition), state: before.state })
    })
  })
}

function refusal(transition: { readonly kind: string; readonly outcome?: string }): string | undefined {
  return transition.outcome
}
