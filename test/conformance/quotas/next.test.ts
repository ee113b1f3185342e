import { type ClaimRequest, type ExecutionId, type ExecutionSubmission, parseKind } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { submitOne } from '../../support/builders.js'
import { FlowDriver } from '../../support/flow-driver.js'
import { useStore } from '../../support/use-store.js'

describe('a claim that comes along with what names quotas or budgets', () => {
  const store = useStore()
  const begin = async (concurrency: number) => {
    const driver = new AdmissionDriver(store())
    const quotaId = await driver.quota({ concurrency })
    const aSolo = (more: Partial<ExecutionSubmission> = {}) =>
      store().aSolo({ quotas: [{ quotaId }], ...more })
    // From here on the claims know where work is.
    await driver.claimIds()
    const submit = async (items: readonly ExecutionSubmission[], request: Partial<ClaimRequest> = {}) => {
      const next = driver.worker.request(request)
      const answer = await store().backend.executions.submit({ namespace: store().namespace, items, next })
      return answer.claimed.map(({ executionId }) => executionId)
    }
    return { driver, quotaId, aSolo, submit }
  }
  const sorted = (ids: readonly (ExecutionId | undefined)[]) => ids.map(String).toSorted()

  it('has what is submitted in the same call, as far as there is room', async () => {
    const { driver, aSolo, submit } = await begin(2)
    const solos = [aSolo(), aSolo(), aSolo()]
    const [first, second, third] = solos.map(({ id }) => id)
    expect(sorted(await submit(solos))).toEqual(sorted([first, second]))
    const plain = store().aSolo()
    expect(await submit([plain, aSolo()])).toEqual([plain.id])
    await driver.quotas.update({
      namespace: store().namespace,
      quotaId: driver.quotaId,
      settings: { concurrency: 3 },
    })
    await store().settle()
    expect(await driver.claimIds()).toEqual([third])
  })

  it('has a budget of it charged', async () => {
    const driver = new AdmissionDriver(store())
    const budgetId = await driver.budget(10)
    const solo = () => store().aSolo({ budgets: [{ budgetId, estimate: { tokens: 6 } }] })
    const [first, second] = [solo(), solo()]
    const next = driver.worker.request()
    const { claimed } = await store().backend.executions.submit({
      namespace: store().namespace,
      items: [first, second],
      next,
    })
    expect(claimed.map(({ executionId }) => executionId)).toEqual([first.id])
  })

  it('has it before what waits in the same line and is less urgent', async () => {
    const { driver, aSolo, submit } = await begin(10)
    const low = await driver.submitQuota({}, { priority: 0 })
    const [middle, high] = [aSolo({ priority: 4_000 }), aSolo({ priority: 9_000 })]
    expect(await submit([middle, high], { max: 1 })).toEqual([high.id])
    expect(await driver.claimIds(1)).toEqual([middle.id])
    expect(await driver.claimIds()).toEqual([low])
  })

  it('serves routes in turn where several wait in one line', async () => {
    const { driver, aSolo, submit } = await begin(10)
    const other = parseKind('other')
    const solos = [aSolo(), aSolo({ kind: other }), aSolo({ capabilities: ['gpu'] })]
    const kinds = [parseKind('work'), other]
    expect(sorted(await submit(solos, { kinds }))).toEqual(sorted([solos[0]?.id, solos[1]?.id]))
    const gpu = await driver.worker.claim({ capabilities: ['gpu'] })
    expect(gpu.map(({ executionId }) => executionId)).toEqual([solos[2]?.id])
  })

  it('has its next attempt when one is failed and may be tried again at once', async () => {
    const { driver } = await begin(3)
    const id = await driver.submitQuota()
    const { handle } = await driver.worker.claimOne()
    const answer = await store().backend.leases.fail({
      namespaces: [store().namespace],
      items: [{ handle, failure: { category: 'error', message: 'x' }, retry: { afterMs: 0 } }],
      next: driver.worker.request(),
    })
    expect(answer.claimed.map(({ executionId, attemptType }) => [executionId, attemptType])).toEqual([
      [id, 'retry'],
    ])
  })

  it('finds what it ends makes ready, at once or once edges are resolved', async () => {
    const { quotaId, driver } = await begin(1)
    const flow = await FlowDriver.submit(store(), { a: {}, b: { after: ['a'], quotas: [{ quotaId }] } })
    await flow.start('a')
    const request = driver.worker.request({ kinds: [parseKind('b')], lanes: [flow.lane] })
    const { claimed } = await store().backend.leases.complete({
      namespaces: [store().namespace],
      items: [{ handle: flow.lease('a').handle, result: null }],
      next: request,
    })
    await flow.settle()
    const later = await driver.worker.claim({ kinds: [parseKind('b')], lanes: [flow.lane] })
    expect([...claimed, ...later].map(({ executionId }) => executionId)).toEqual([flow.id('b')])
  })

  it('is not kept from anything by lines of others', async () => {
    const { driver, aSolo, submit } = await begin(1)
    await driver.fill()
    await driver.submitQuota()
    expect(await driver.claimIds()).toEqual([])
    const free = await driver.submitQuota({ key: 'free' })
    const plain = await submitOne(store())
    // What comes last waits behind the refused head of its line.
    expect(sorted(await submit([aSolo()]))).toEqual(sorted([free, plain]))
    expect(await submit([aSolo()])).toEqual([])
  })
})
