import { mintBudgetId, mintUuid, SigningSecret } from '@flowfabric/core'
import { createScreen, type StartedOrder, startModelServer, startOrder } from '@flowfabric/examples/approval'
import { type Client, createClient } from '@flowfabric/sdk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../server/support/test-server.js'
import { until } from '../support/until.js'

/** The example's own parts, on the store that the project tests. Its clock stands still until a test moves it. */
let server: TestServer
let model: Awaited<ReturnType<typeof startModelServer>>
beforeAll(async () => {
  const secret = new SigningSecret('k1', mintUuid())
  server = await startTestServer({ signingSecrets: [secret] })
  await server.backend.keyring.add(secret)
  model = await startModelServer(WORD_MS)
})
afterAll(async () => {
  model.close()
  await server.stop()
})

const WORD_MS = 10
const DAY_MS = 86_400_000

let connect: { readonly url: string; readonly token: string; readonly namespace: string }
let client: Client
let budgetId: string
let started: Run[]
beforeEach(() => {
  connect = { url: server.url, token: server.token, namespace: `test-${mintUuid()}` }
  client = createClient({ connect })
  budgetId = mintBudgetId()
  started = []
})
afterEach(async () => {
  client.close()
  for (const { order } of started) await order.stop()
})

interface Run {
  readonly order: StartedOrder
  readonly output: () => string
}

async function start(name = 'an-order'): Promise<Run> {
  let printed = ''
  const screen = createScreen((text) => {
    printed += text
  })
  const order = await startOrder({
    connect,
    name,
    modelUrl: model.url,
    budgetId,
    dayMs: DAY_MS,
    leaseTtlMs: 4_000,
    screen,
  })
  // Who waits for it is told of an error, and who doesn't has it in the output.
  order.ended.catch((error: unknown) => screen.line(String(error)))
  const run = { order, output: () => printed }
  started.push(run)
  return run
}

/** To who beats, a day that passes at once is a day without a beat: engine and worker first come back, in real seconds. */
const shows = async ({ output, order }: Run, pattern: RegExp) => {
  try {
    await expect.poll(output, { timeout: 30_000, interval: 10 }).toMatch(pattern)
  } catch (error) {
    // What it waited for, since the next try says nothing of this one.
    console.error(
      `${pattern} was not shown:`,
      await order.approval.explain().catch(String),
      await order.approval.status(),
    )
    throw error
  }
}

const waits = ({ order }: Run) =>
  until('it waits', async () => (await order.approval.status()).publicState === 'suspended')

/** A day goes by while it waits for people. */
async function passDay(run: Run, told: RegExp): Promise<void> {
  await waits(run)
  await server.backend.maintenance.advanceTime({ byMs: DAY_MS })
  await shows(run, told)
}

/** What somebody was written to, and answers with. */
function letterOf({ output }: Run, person: string): Letter {
  const found = new RegExp(
    `✉ to ${person}: Please.*\\n +curl -X POST (\\S+) -H 'FF-Waitpoint-Token: (\\S+)'`,
  ).exec(output())
  return { url: found?.[1] ?? '', token: found?.[2] ?? '' }
}

interface Letter {
  readonly url: string
  readonly token: string
}

async function answer({ url, token }: Letter, body: object = { name: 'approve' }): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'ff-waitpoint-token': token, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const { outcome, code } = (await response.json()) as { readonly outcome?: string; readonly code?: string }
  return outcome ?? code
}

const spending = async () => {
  const { used, reserved } = await client.budgets.get(budgetId)
  return { used: used.tokens ?? 0, reserved: reserved.tokens ?? 0, micros: used.usd_micros ?? 0 }
}

// On a machine that is busy with other tests a day was now and then not seen, for a reason that is not known yet: once more, then.
describe('an order', { retry: 1 }, () => {
  test('streams the model’s words, and takes two different people, by their links alone', async () => {
    const run = await start()
    // Live: the first words are there before the last.
    await shows(run, /✎ An order/)
    expect(run.output()).not.toContain('should look at it.')
    await shows(run, /✉ to cleo.*\n.*curl/)
    expect(run.output()).toMatch(/✎ An order of a printing press for 12000 euros: .* should look at it\./)
    const [ann, bob] = [letterOf(run, 'ann'), letterOf(run, 'bob')]
    await waits(run)
    expect(await answer(ann)).toBe('accepted')
    expect(await answer(ann)).toBe('buffered')
    expect(await answer({ ...bob, token: `${bob.token}x` })).toBe('waitpoint_not_found')
    expect(await answer(bob, { name: 'approve', source: 'cleo' })).toBe('unknown_field')
    expect(await answer(bob)).toBe('satisfied')
    await run.order.ended
    expect(run.output()).toContain('● a printing press, on its way')
    expect(run.output()).toContain('The order is approved; approved by ann and bob.')
  })

  test('reminds after a day, takes answers typed in the terminal, and ends with a refusal', async () => {
    const run = await start()
    await shows(run, /✉ to cleo.*\n.*curl/)
    await passDay(run, /✉ to ann, bob, cleo: the order still waits/)
    expect(await run.order.answer('bob reject too dear')).toMatch(/^bob: reject \((satisfied|buffered)\)$/)
    await run.order.ended
    expect(run.output()).toContain('The order is rejected; approved by nobody; too dear.')
  })

  test('counts what came on an earlier day, escalates, and gives up when its days are over', async () => {
    const run = await start()
    await shows(run, /✉ to cleo.*\n.*curl/)
    await answer(letterOf(run, 'ann'))
    await passDay(run, /✉ to ann, bob, cleo: the order still waits/)
    await passDay(run, /✉ to dora: Please/)
    expect(run.output()).toContain('● Day 2 is over, 1 of 2 have approved')
    await passDay(run, /The order is/)
    await run.order.ended
    expect(run.output()).toContain('The order is expired; approved by ann.')
  })
})

describe('the model’s budget', () => {
  test('is charged for each word, and holds back what is reserved for an order while it speaks', async () => {
    const run = await start()
    await shows(run, /✎ An order/)
    expect((await spending()).reserved).toBeGreaterThan(0)
    await shows(run, /✉ to cleo/)
    await until('what was left is given back', async () => (await spending()).reserved === 0)
    expect(await spending()).toEqual({ used: WORDS, reserved: 0, micros: WORDS * 15 })
    await run.order.answer('ann reject')
    await run.order.ended
    expect(run.output()).toContain(
      `The model has cost 0.000285 $ today: ${WORDS} of 1000 tokens, 0 reserved.`,
    )
  })

  test('gets back what an order had reserved that is cancelled while the model speaks', async () => {
    const run = await start()
    await shows(run, /✎ An order/)
    expect(await run.order.answer('cancel')).toMatch(/^cancel/)
    await run.order.ended
    expect(run.output()).toContain('The order is cancelled.')
    await until('the rest is given back', async () => (await spending()).reserved === 0)
    // What was said is paid for; nobody was written to.
    const { used, micros } = await spending()
    expect(used).toBeGreaterThan(0)
    expect(used).toBeLessThan(WORDS)
    expect(micros).toBe(used * 15)
    expect(run.output()).not.toContain('✉')
  })

  test('keeps an order waiting that might overspend it, until the next day', async () => {
    const first = await start('first')
    await client.budgets.update(budgetId, { limits: { tokens: { soft: null, hard: 50 }, usd_micros: none } })
    await shows(first, /✉ to cleo.*\n.*curl/)
    const second = await start('second')
    const assess = await until('it waits', async () => {
      const { items } = await client.list({ filter: { states: ['rate_limited'] } })
      return items[0]
    })
    expect(await client.handle(assess.id).explain()).toMatchObject({ dominant: { reason: 'budget' } })
    expect(second.output()).not.toContain('✎')
    await waits(first)
    await server.backend.maintenance.advanceTime({ byMs: DAY_MS })
    // Either worker may take it, and write to people on its own screen.
    await waits(second)
    expect(await spending()).toMatchObject({ used: WORDS })
  })
})

/** That the model says. */
const WORDS = 19
const none = { soft: null, hard: null }
