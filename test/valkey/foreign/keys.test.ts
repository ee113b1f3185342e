import { parseNamespace } from '@flowfabric/core'
import { expect, it } from 'vitest'
import { createTestBackend, type TestBackend, type ValkeyInside } from '../../support/backends.js'
import { inNamespace } from '../../support/use-store.js'
import { everyOperation, type Populated, populate, type Told } from './every-operation.js'

/**
 * A key of another type where one of ours should be: whatever is called answers with what it can do without it, or with
 * `corruption`; nothing is written over the foreign key; and whoever needs it does not take it for nothing.
 */
const ours = 'not-ours'

async function open(): Promise<TestBackend> {
  return createTestBackend({ name: 'valkey', partitions: { flow: 1, budget: 1, quota: 1 } })
}

/** Keys of one kind have one name: ids, routes and seconds are left out of it. */
function kindOf(key: string): string {
  return key
    .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '<id>')
    .replace(/:(ready|kept):.+$/, ':$1:…')
    .replace(/:(lane|copy|list|flows|idempotency):?.*$/, ':$1:…')
}

/** Answers to a request that is never sent again: nobody asks for them. */
const isUnread = (kind: string) => /:req:<id>$/.test(kind)

async function listKinds(): Promise<readonly string[]> {
  const opened = await open()
  try {
    await populate(inNamespace(opened, parseNamespace('foreign')))
    const kinds = new Set((await (opened.inside as ValkeyInside).keys()).map(kindOf))
    return [...kinds].filter((kind) => !isUnread(kind)).sort()
  } finally {
    await opened.close()
  }
}

/** Of several keys of a kind the one that is asked for most: of what is running, or of the flow that goes on. */
function chooseKey(
  keys: readonly string[],
  { flow, ids, worker, suspensions }: Populated,
): string | undefined {
  const { suspended, active, parents } = suspensions
  const waiting = [suspended.waitpointId, suspended.id, active.id, ...parents.map(({ id }) => id)]
  const liked = [
    ...waiting,
    flow.id('a'),
    flow.id('b'),
    ids.leased,
    ids.ended,
    flow.flowId,
    worker.instanceId,
  ]
  const rank = (key: string) => {
    const place = liked.findIndex((id) => key.includes(id.slice(-36)))
    return place < 0 ? liked.length : place
  }
  return keys.toSorted((one, other) => rank(one) - rank(other) || (one < other ? -1 : 1))[0]
}

/** Puts a foreign key in the place of one of that kind, and calls everything. */
async function tryWithout(kind: string): Promise<{ readonly told: readonly Told[]; readonly left: string }> {
  const opened = await open()
  try {
    const populated = await populate(inNamespace(opened, parseNamespace('foreign')))
    const { send, keys } = opened.inside as ValkeyInside
    const key = chooseKey(
      (await keys()).filter((each) => kindOf(each) === kind),
      populated,
    )
    if (key === undefined) throw new Error(`no key of the kind ${kind}`)
    const isList = String(await send('TYPE', key)) === 'list'
    await send('DEL', key)
    await (isList ? send('SADD', key, ours) : send('RPUSH', key, ours))
    const told = await everyOperation(populated)
    return { told, left: `${String(await send('TYPE', key))}, at first ${isList ? 'set' : 'list'}` }
  } finally {
    await opened.close()
  }
}

/** It may go with what it stood for, when that is removed; nothing is ever written over it. */
const leftAlone = ['list, at first list', 'set, at first set', 'none, at first list', 'none, at first set']

it('a key of another type is told as corruption, by whoever needs it, and left alone', {
  timeout: 300_000,
}, async () => {
  const findings: string[] = []
  for (const kind of await listKinds()) {
    const { told, left } = await tryWithout(kind)
    for (const { operation, codes, strange } of told) {
      if (strange !== undefined) findings.push(`${kind}: ${operation} threw ${strange}`)
      for (const code of codes) if (code !== 'corruption') findings.push(`${kind}: ${operation} said ${code}`)
    }
    if (!told.some(({ codes }) => codes.includes('corruption'))) findings.push(`${kind}: taken for nothing`)
    if (!leftAlone.includes(left)) findings.push(`${kind}: is now a ${left}`)
  }
  expect(findings).toEqual([])
})
