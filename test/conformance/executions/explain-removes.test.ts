import {
  type ExecutionId,
  type ExecutionSubmission,
  mintInstanceId,
  must,
  parseKind,
  parseLaneId,
  parseWorkerId,
} from '@flowfabric/core'
import { type ExplainReason, type Explanation, explainFrom } from '@flowfabric/engine'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { isSoak } from '../../support/soak.js'
import { onSignal, SuspensionDriver } from '../../support/suspension-driver.js'
import { type TestStore, useStore } from '../../support/use-store.js'
import { WorkerDriver } from '../../support/worker-driver.js'

/** What keeps the execution from being claimed, drawn at random. */
interface Obstacles {
  /** What it is, and what of that holds it back. */
  readonly shape: 'solo' | 'suspended' | 'member' | 'draft_member'
  readonly held: boolean
  readonly delayed: boolean
  readonly lane: 'active' | 'paused' | 'disabled'
  readonly laneFull: boolean
  readonly worker: 'capable' | 'incapable' | 'none'
  readonly slots: boolean
  readonly rate: boolean
  readonly budget: boolean
  /** Whether a claim has already met it, so that its line is parked. */
  readonly claimed: boolean
}

const obstacles: fc.Arbitrary<Obstacles> = fc.record({
  shape: fc.constantFrom('solo', 'suspended', 'member', 'draft_member'),
  held: fc.boolean(),
  delayed: fc.boolean(),
  lane: fc.constantFrom('active', 'paused', 'disabled'),
  laneFull: fc.boolean(),
  worker: fc.constantFrom('capable', 'incapable', 'none'),
  slots: fc.boolean(),
  rate: fc.boolean(),
  budget: fc.boolean(),
  claimed: fc.boolean(),
})

const everything: Obstacles = {
  shape: 'member',
  held: true,
  delayed: true,
  lane: 'paused',
  laneFull: true,
  worker: 'incapable',
  slots: true,
  rate: true,
  budget: true,
  claimed: true,
}
const admission: Obstacles = {
  ...everything,
  shape: 'solo',
  held: false,
  delayed: false,
  lane: 'active',
  laneFull: false,
  worker: 'capable',
}

const kind = parseKind('x')
const fillers = parseLaneId('fillers')
let runs = 0

describe('explain', () => {
  const store = useStore()

  it('names all that holds an execution back: once that is removed, and nothing else, it is claimed', async () => {
    await fc.assert(
      fc.asyncProperty(obstacles, async (drawn) => {
        const scene = await Scene.open(store(), drawn)
        const first = await scene.explain()
        expect(reasonsIn(first)).toEqual(scene.expected())
        if (drawn.claimed && first.dominant.reason !== 'queued')
          expect(await scene.claim()).not.toContain(scene.id)
        // What is behind a suspension or a draft is told once that is over.
        const isHidden = drawn.shape === 'suspended' || drawn.shape === 'draft_member'
        for (let round = 0; round < (isHidden ? 2 : 1); round += 1) {
          for (const reason of (await scene.explain()).reasons) await scene.remove(reason)
          await scene.store.settle()
        }
        expect(reasonsIn(await scene.explain())).toEqual(['queued'])
        expect(await scene.claim()).toEqual([scene.id])
      }),
      {
        numRuns: isSoak ? 200 : 6,
        examples: [[everything], [admission]],
        ...(isSoak ? {} : { seed: 20_260_101 }),
        endOnFailure: true,
      },
    )
  })
})

function reasonsIn({ reasons }: Explanation): readonly string[] {
  return reasons.map(({ reason }) => reason).toSorted()
}

/** One execution, all that stands in its way, and how each of that is removed. */
class Scene {
  readonly store: TestStore
  readonly lane = parseLaneId(`lane-${runs}`)
  readonly #drawn: Obstacles
  readonly #slots: AdmissionDriver
  readonly #rate: AdmissionDriver
  readonly #budget: AdmissionDriver
  readonly #worker: WorkerDriver
  readonly #ends = new Map<string, () => Promise<unknown>>()
  #capabilities: readonly string[] = []
  #flow: FlowDriver | undefined
  #id: ExecutionId | undefined
  #signal: () => Promise<unknown> = () => Promise.resolve()

  static async open(store: TestStore, drawn: Obstacles): Promise<Scene> {
    runs += 1
    const scene = new Scene(store, drawn)
    await scene.#arrange()
    return scene
  }

  constructor(store: TestStore, drawn: Obstacles) {
    this.store = store
    this.#drawn = drawn
    this.#slots = new AdmissionDriver(store)
    this.#rate = new AdmissionDriver(store)
    this.#budget = new AdmissionDriver(store)
    this.#worker = new WorkerDriver(store, { lanes: [this.lane], kinds: [kind], leaseTtlMs: 600_000 })
  }

  get id(): ExecutionId {
    return must(this.#id, 'the execution')
  }

  /** In front of what cannot start yet nothing else is told. */
  expected(): readonly string[] {
    const { shape, held, delayed, lane, laneFull, worker, slots, rate, budget } = this.#drawn
    if (shape === 'suspended') return ['suspended']
    const blocks = [
      ...(shape === 'draft_member' ? ['draft_flow'] : []),
      ...(shape === 'solo' ? [] : ['dependencies']),
      ...(held ? ['held'] : []),
      ...(delayed ? ['start_time'] : []),
    ]
    const atClaim = [
      ...(lane === 'active' ? [] : [`lane_${lane}`]),
      ...(laneFull ? ['lane_concurrency'] : []),
      ...(worker === 'capable' ? [] : [worker === 'none' ? 'no_worker' : 'no_capable_worker']),
      ...(slots ? ['quota'] : []),
      ...(rate ? ['quota'] : []),
      ...(budget ? ['budget'] : []),
    ]
    const all = shape === 'draft_member' ? blocks : [...blocks, ...atClaim]
    return all.length === 0 ? ['queued'] : all.toSorted()
  }

  async explain(): Promise<Explanation> {
    const params = { namespace: this.store.namespace, id: this.id }
    const facts = await this.store.backend.executions.explainFacts(params)
    const waitpoints = await new SuspensionDriver(this.store).listWaitpoints(this.id)
    return explainFrom(facts, waitpoints)
  }

  /** What the workers that are there are handed out. */
  async claim(): Promise<readonly ExecutionId[]> {
    const leases = await this.#worker.claim({ capabilities: [...this.#capabilities] })
    return leases.map(({ executionId }) => executionId)
  }

  /** Just what the reason names. */
  async remove(reason: ExplainReason): Promise<void> {
    const { namespace, backend } = this.store
    const target = { namespace, id: this.id }
    switch (reason.reason) {
      case 'queued':
        return
      case 'suspended':
        await this.#signal()
        return
      case 'draft_flow':
        await backend.flows.seal({ namespace, flowId: reason.evidence.flowId })
        return
      case 'dependencies':
        for (const { name } of reason.evidence.pendingUpstreams) await this.#endUpstream(must(name, 'a name'))
        return
      case 'held':
        await backend.executions.release(target)
        return
      case 'start_time':
        await this.store.pass(Math.max(0, reason.evidence.untilMs - (await this.store.nowMs())))
        return
      case 'lane_paused':
      case 'lane_disabled':
        await backend.lanes.setState({ namespace, lane: reason.evidence.lane, state: 'active' })
        return
      case 'lane_concurrency':
        await this.#end(reason.evidence.lane)
        return
      case 'no_worker':
        await this.#register(['gpu'])
        return
      case 'no_capable_worker':
        await this.#register(reason.evidence.missing)
        return
      case 'quota': {
        const { quotaId, rate, cost } = reason.evidence.quota
        if (reason.evidence.shortage === 'concurrency') return this.#end(quotaId)
        const { units, windowMs } = must(rate, 'a rate')
        await backend.quotas.update({
          namespace,
          quotaId,
          settings: { rate: { units: units + cost, windowMs } },
        })
        return
      }
      case 'budget':
        return this.#end(reason.evidence.budget.budgetId)
      default:
        throw new Error(`nothing of this sort was put in its way: ${reason.message}`)
    }
  }

  async #arrange(): Promise<void> {
    const { shape, held, delayed, lane, worker } = this.#drawn
    const { namespace, backend } = this.store
    await this.#slots.quota({ concurrency: 1 })
    await this.#rate.quota({ rate: { units: 1, windowMs: 600_000 } })
    await this.#budget.budget(10)
    if (shape !== 'suspended') await this.#fill()
    await this.#bring({
      kind,
      lane: this.lane,
      capabilities: ['gpu'],
      quotas: [{ quotaId: this.#slots.quotaId }, { quotaId: this.#rate.quotaId }],
      budgets: [{ budgetId: this.#budget.budgetId, estimate: { tokens: 5 } }],
      ...(delayed && shape !== 'suspended' ? { delayMs: 5_000 } : {}),
    })
    if (shape === 'suspended') await this.#fill()
    else if (held) await backend.executions.hold({ namespace, id: this.id })
    if (worker !== 'none') await this.#register(worker === 'capable' ? ['gpu'] : [])
    if (lane !== 'active') await backend.lanes.setState({ namespace, lane: this.lane, state: lane })
  }

  /** Others take what there is of the lane, the quotas and the budget. */
  async #fill(): Promise<void> {
    const { laneFull, slots, rate, budget, shape } = this.#drawn
    if (laneFull) {
      const settings = { concurrency: 1 }
      await this.store.backend.lanes.configure({ namespace: this.store.namespace, lane: this.lane, settings })
      await submitOne(this.store, { lane: this.lane, kind: parseKind('filler') })
      const { handle } = await this.#worker.claimOne({ kinds: [parseKind('filler')] })
      this.#ends.set(this.lane, () => this.#worker.complete(handle))
    }
    if (slots) {
      const handle = await this.#slots.fill()
      this.#ends.set(this.#slots.quotaId, () => this.#slots.worker.complete(handle))
    }
    // To go on costs no units.
    if (rate && shape !== 'suspended') await this.#rate.worker.complete(await this.#rate.fill())
    if (budget) {
      await this.#budget.submitBudget(10, { lane: fillers })
      const { handle } = await this.#budget.worker.claimOne({ lanes: [fillers] })
      this.#ends.set(this.#budget.budgetId, () => this.#budget.worker.complete(handle))
    }
    await this.store.settle()
  }

  async #bring(spec: Omit<ExecutionSubmission, 'id' | 'input'>): Promise<void> {
    const { shape } = this.#drawn
    if (shape === 'solo' || shape === 'suspended') this.#id = await submitOne(this.store, spec)
    else await this.#bringMember(spec)
    if (shape !== 'suspended') return
    const driver = new SuspensionDriver(this.store)
    const waitpointId = await driver.waitpoint(this.id)
    const { handle } = await this.#worker.claimOne({ capabilities: ['gpu'] })
    await driver.suspend({ id: this.id, handle }, { condition: onSignal(waitpointId) })
    await this.store.settle()
    this.#signal = () => driver.signal(waitpointId)
  }

  /** With an upstream in another lane. */
  async #bringMember(spec: Omit<ExecutionSubmission, 'id' | 'input'>): Promise<void> {
    const { backend, namespace } = this.store
    const flow = new FlowDriver(this.store)
    const plan = { u: {}, x: { ...spec, after: ['u'] } }
    if (this.#drawn.shape === 'member') await flow.submit(plan)
    else {
      await backend.flows.createDraft({ namespace, flowId: flow.flowId })
      await flow.extend(plan)
    }
    this.#flow = flow
    this.#id = flow.id('x')
  }

  async #endUpstream(name: string): Promise<void> {
    await must(this.#flow, 'a flow').end(name, 'success')
  }

  async #end(what: string): Promise<void> {
    await must(this.#ends.get(what), `who has ${what}`)()
  }

  async #register(capabilities: readonly string[]): Promise<void> {
    await this.store.backend.workers.register({
      namespaces: [this.store.namespace],
      workerId: parseWorkerId('worker'),
      instanceId: mintInstanceId(),
      lanes: [this.lane],
      kinds: [kind],
      capabilities,
      concurrency: 1,
    })
    this.#capabilities = capabilities
  }
}
