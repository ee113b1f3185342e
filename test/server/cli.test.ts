import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintOperationId, mintUuid } from '@flowfabric/core'
import { createWorker, defineTask } from '@flowfabric/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createStorePlace, type StorePlace } from '../support/store-place.js'
import { until } from '../support/until.js'
import { beginCommand, type Ran, type RunningDev, runCommand, startDev } from './support/command-line.js'

/** The command line as a person uses it: `dev` in a folder of its own, all else from that folder. */
let folder: string
let place: StorePlace
let dev: RunningDev

const run = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> =>
  runCommand(folder, args, env)

/** A command to the server that `dev` runs. */
const ask = (...args: readonly string[]) => run(args, { FF_URL: dev.url })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowfabric-cli-'))
  place = await createStorePlace()
  await place.furnish(join(folder, '.flowfabric'))
  dev = await startDev(folder, place.env)
})
afterAll(async () => {
  dev.stop()
  await dev.ended
  await rm(folder, { recursive: true, force: true })
  await place.remove()
})

describe('flowfabric dev', () => {
  it('says where it is, its token, and what to try', async () => {
    const text = dev.lines.join('\n')
    const token = (await readFile(join(folder, '.flowfabric', 'token'), 'utf8')).trim()
    expect(text).toContain(token)
    expect((await stat(join(folder, '.flowfabric', 'token'))).mode & 0o777).toBe(0o600)
    expect(text).toContain('curl -s')
    const answer = await fetch(`${dev.url}/v1/lanes`, { headers: { authorization: `Bearer ${token}` } })
    expect(answer.status).toBe(200)
  })
})

describe('the commands that talk to a server', () => {
  it('list, show, pause, resume, trigger, backfill and delete a schedule', async () => {
    const token = (await readFile(join(folder, '.flowfabric', 'token'), 'utf8')).trim()
    const made = await fetch(`${dev.url}/v1/schedules`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        label: 'at night',
        timing: { kind: 'cron', expression: '0 0 3 * * *', timeZone: 'Europe/Berlin' },
        work: { kind: 'execution', spec: { kind: 'clean' } },
        overlap: 'allow_all',
      }),
    })
    const { schedule } = (await made.json()) as { schedule: { id: string } }
    const { id } = schedule
    expect((await ask('schedules')).out).toMatch(
      new RegExp(`${id} +at night +0 0 3 \\* \\* \\* Europe/Berlin`),
    )
    expect(await ask('schedules', 'pause', id, '--reason', 'later')).toMatchObject({ code: 0, out: 'paused' })
    expect((await ask('schedules', 'show', id)).out).toMatch(/state +paused: later/)
    expect(await ask('schedules', 'resume', id)).toMatchObject({ code: 0, out: 'resumed' })
    expect((await ask('schedules', 'trigger', id, '--key', 'one')).out).toMatch(/^triggered\n\{fp:/)
    expect((await ask('schedules', 'trigger', id, '--key', 'one')).out).toMatch(/^duplicate\n\{fp:/)
    const past = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-02T23:00:00Z', '--json'] as const
    const backfilled = await ask('schedules', 'trigger', id, ...past)
    expect(JSON.parse(backfilled.out)).toMatchObject({ outcome: 'triggered', started: { length: 2 } })
    expect(await ask('schedules', 'trigger', id, '--from', 'then')).toMatchObject({ code: 2 })
    expect(await ask('schedules', 'delete', id)).toMatchObject({ code: 0, out: 'deleted' })
    expect(await ask('schedules', 'delete', id)).toMatchObject({ code: 4 })
  })

  it('cancel and replay all that match, and list, show, pause, resume and stop the operations', async () => {
    for (let n = 0; n < 3; n += 1) await ask('submit', 'many', '--lane', 'bulk')
    const cancelled = await ask('operations', 'cancel', '--lane', 'bulk', '--reason', 'enough', '--wait')
    expect(cancelled).toMatchObject({ code: 0 })
    expect(cancelled.out).toMatch(/state +completed\ndone +3 of 3/)
    const id = String(/id +(\S+)/.exec(cancelled.out)?.[1])
    expect((await ask('operations')).out).toMatch(new RegExp(`${id} +cancel +completed +3/3 \\(100%\\)`))
    expect((await ask('operations', 'show', id)).out).toMatch(/of +\{"lane":"bulk"\}/)
    for (const action of ['pause', 'resume', 'stop'])
      expect(await ask('operations', action, id)).toMatchObject({ code: 1, out: 'already_ended' })
    const replay = await ask(
      'operations',
      'replay',
      '--lane',
      'bulk',
      '--state',
      'cancelled',
      '--wait',
      '--json',
    )
    expect(JSON.parse(replay.out)).toMatchObject({ state: 'completed', done: 3, total: 3 })
    expect(await ask('operations', 'cancel')).toMatchObject({ code: 2 })
    expect(await ask('operations', 'replay', '--lane', 'bulk')).toMatchObject({ code: 2 })
    const all = await ask('operations', 'cancel', '--all', '--state', 'waiting', '--id', mintOperationId())
    expect(all.out).toMatch(/^created /)
  })

  it('create, list, show, set and reset budgets and quotas', async () => {
    const made = await ask(
      ...['budgets', 'create', 'model', '--hard', 'tokens=1000', 'usd_cents=50', '--soft', 'tokens=800'],
      ...['--every', '1d', '--first-reset', '2126-01-01T00:00:00Z'],
    )
    expect(made).toMatchObject({ code: 0 })
    const id = String(/^created (\S+)$/.exec(made.out)?.[1])
    expect((await ask('budgets')).out).toMatch(
      new RegExp(`${id} +model +tokens 0/1000 \\(soft 800\\), usd_cents 0/50 +ok +0 +2126-01-01T`),
    )
    expect((await ask('budgets', 'show', id)).out).toMatch(/period +1, since .*\nresets +every 1d0h/)
    // All limits anew, and nothing else.
    const set = await ask('budgets', 'set', id, '--hard', 'tokens=2000')
    expect(set.out).toMatch(/label +model\nspent +tokens 0\/2000\nbreach +ok\nrule +block_new/)
    expect((await ask('budgets', 'set', id, '--every', 'none', '--label', 'words')).out).toMatch(
      /label +words\nspent +tokens 0\/2000[\s\S]*resets +never$/,
    )
    expect(await ask('budgets', 'reset', id, '--key', 'k', '--reason', 'paid')).toMatchObject({
      code: 0,
      out: 'reset',
    })
    expect(await ask('budgets', 'reset', id, '--key', 'k')).toMatchObject({ code: 0, out: 'duplicate' })
    expect(JSON.parse((await ask('budgets', 'show', id, '--json')).out)).toMatchObject({ id, period: 2 })

    const rated = await ask('quotas', 'create', 'mail', '--rate', '100/1m', '--concurrency', '5')
    const quotaId = String(/^created (\S+)$/.exec(rated.out)?.[1])
    expect((await ask('quotas')).out).toMatch(new RegExp(`${quotaId} +mail +0/100 in 1m0s +0/5 +queue +0`))
    const changed = await ask('quotas', 'set', quotaId, '--rate', 'none', '--strategy', 'drop_new')
    expect(changed.out).toMatch(/rate +-\nslots +0\/5\nfull +drop_new/)
    expect((await ask('quotas', 'show', quotaId, '--key', 'ann')).out).toMatch(/key +ann\n/)
  })

  it('refuse budgets and quotas that are none', async () => {
    const id = mintUuid()
    for (const args of [
      ['budgets', 'create', 'no limit'],
      ['budgets', 'create', 'no amount', '--hard', 'tokens=many'],
      ['budgets', 'create', 'negative', '--hard', 'tokens=-1'],
      ['budgets', 'create', 'too large', '--hard', 'tokens=99999999999999999999'],
      ['budgets', 'create', 'the wrong way round', '--hard', 'tokens=1', '--soft', 'tokens=2'],
      ['budgets', 'create', 'too often', '--hard', 'tokens=1', '--every', '0s'],
      ['budgets', 'create', 'no rule', '--hard', 'tokens=1', '--on-breach', 'shout'],
      ['budgets', 'show', 'x'],
      ['quotas', 'create', 'no rate', '--rate', '100'],
      ['quotas', 'create', 'no slots', '--concurrency', '0'],
      ['quotas', 'create', 'no number', '--concurrency', 'few'],
      ['quotas', 'create', 'no strategy', '--strategy', 'shout'],
    ])
      expect([args, (await ask(...args)).code]).toEqual([args, 2])
    for (const args of [
      ['budgets', 'show', id],
      ['budgets', 'set', id, '--label', 'x'],
      ['budgets', 'reset', id],
      ['quotas', 'show', id],
      ['quotas', 'set', id, '--concurrency', '1'],
    ])
      expect([args, (await ask(...args)).code]).toEqual([args, 4])
    await ask('budgets', 'create', 'one', '--hard', 'tokens=1', '--id', id)
    expect(await ask('budgets', 'create', 'two', '--hard', 'tokens=1', '--id', id)).toMatchObject({ code: 1 })
    await ask('quotas', 'create', 'one', '--concurrency', '1', '--id', id)
    expect(await ask('quotas', 'create', 'two', '--concurrency', '1', '--id', id)).toMatchObject({ code: 1 })
  })

  it('create, list, show, change and delete webhooks', async () => {
    const url = 'https://example.org/hook'
    const made = await ask(
      'webhooks',
      'create',
      url,
      '--event',
      'execution.failed',
      'flow',
      '--label',
      'ours',
    )
    expect(made).toMatchObject({ code: 0 })
    const [, id = '', secret = ''] = /^created (\S+)\n(whsec_\S+)\n/.exec(made.out) ?? []
    expect((await ask('webhooks')).out).toMatch(new RegExp(`${id} +ours +${url} +active +0 +0`))
    const shown = await ask('webhooks', 'show', id)
    expect(shown.out).toContain('{"names":["execution.failed","flow"]}')
    expect(shown.out).not.toContain(secret)
    expect(await ask('webhooks', 'disable', id, '--reason', 'later')).toMatchObject({
      code: 0,
      out: 'disabled',
    })
    expect((await ask('webhooks', 'show', id)).out).toMatch(/state +disabled, operator/)
    expect(await ask('webhooks', 'enable', id)).toMatchObject({ code: 0, out: 'active' })
    const rotated = await ask('webhooks', 'rotate', id, '--overlap', '60')
    expect(rotated.out).toMatch(/^whsec_/)
    expect(rotated.out).not.toBe(secret)
    expect((await ask('webhooks', 'deliveries', id)).code).toBe(0)
    expect(await ask('webhooks', 'redeliver', id)).toMatchObject({ code: 0, out: 'redelivering 0' })
    expect(await ask('webhooks', 'create', 'http://127.0.0.1/')).toMatchObject({ code: 2 })
    expect(await ask('webhooks', 'create', url, '--attempts', 'many')).toMatchObject({ code: 2 })
    expect(await ask('webhooks', 'delete', id)).toMatchObject({ code: 0, out: 'deleted' })
    expect(await ask('webhooks', 'delete', id)).toMatchObject({ code: 4 })
  })

  it('submit, list, show, explain, cancel and replay an execution', async () => {
    const submitted = await ask('submit', 'hello', '--input', '{"name":"world"}', '--json')
    expect(submitted.code).toBe(0)
    const { id } = JSON.parse(submitted.out) as { id: string }

    expect((await ask('ls', '--state', 'waiting')).out).toContain(id)
    expect((await ask('ls', '--kind', 'hello', '--ended-from', '2026-01-01T00:00:00Z')).out).not.toContain(id)
    expect(await ask('ls', '--from', 'then')).toMatchObject({ code: 2 })
    expect(await ask('count', '--kind', 'hello')).toMatchObject({ code: 0, out: '1' })
    expect((await ask('count', '--kind', 'hello', '--by', 'state')).out).toMatch(
      /^STATE +EXECUTIONS\nwaiting +1\n\(all\) +1$/,
    )
    expect(await ask('count', '--by', 'colour')).toMatchObject({ code: 2 })
    expect(await ask('ls', '--flows', '--lane', 'a')).toMatchObject({ code: 2 })
    expect((await ask('show', id)).out).toMatch(/state +waiting/)
    expect((await ask('explain', id)).out).toMatch(/^waiting: /)
    expect(await ask('cancel', id, '--reason', 'enough')).toMatchObject({ code: 0, out: 'cancelled' })
    expect(await ask('cancel', id)).toMatchObject({ code: 1 })
    expect((await ask('replay', id)).out).toContain('replayed')
    expect((await ask('lanes')).out).toMatch(/default +active/)
    expect((await ask('workers')).out).toContain('WORKER')
  })

  it('show what an execution waits for, and signal it, with credentials or with a token alone', async () => {
    const token = (await readFile(join(folder, '.flowfabric', 'token'), 'utf8')).trim()
    const task = defineTask({
      kind: 'waits-for-people',
      async handler({ suspend }) {
        const timeout = { afterMs: 86_400_000, behaviour: 'expire' } as const
        const two = { count: 2, of: 'sources', on: 'approval' } as const
        const { signals } = await suspend(two, { timeout, reason: 'approval' })
        return signals.map(({ source, payload }) => ({ source, payload }))
      },
    })
    const worker = createWorker({ connect: { url: dev.url, token }, tasks: [task] })
    await worker.start()
    try {
      const { id } = JSON.parse((await ask('submit', task.kind, '--json')).out) as { id: string }
      await until('it waits', async () => (await ask('show', id)).out.includes('suspended'), 20_000)
      const shown = (await ask('show', id)).out
      expect(shown).toContain('It waits for signals of 2 different sources on approval.')
      expect(shown).toMatch(/WAITPOINT +STATE +SIGNALS .*\napproval +open +0 /)
      const explained = (await ask('explain', id)).out
      expect(explained).toMatch(/^suspended: It waits for signals of 2 .* it times out: then it expires\.\n/)
      expect(explained).toMatch(/\nSince: \d{4}-.*\nWhat would end it: what it waits for, or its timeout\n/)
      expect(explained).toMatch(/\nTimes out: \d{4}-[\s\S]*approval +open +0 /)

      expect(await ask('signal', id, 'approval', 'yes', '--payload', '{"n":1}', '--key', 'k')).toMatchObject({
        code: 0,
        out: 'accepted',
      })
      expect((await ask('signal', id, 'approval', 'yes', '--key', 'k')).out).toBe('duplicate')
      expect(await ask('signal', id, 'unknown', 'yes')).toMatchObject({ code: 4 })
      expect((await ask('signal', id, 'approval', 'yes', '--payload', '{')).code).toBe(2)
      const [point] = JSON.parse((await ask('waitpoints', id, '--json')).out) as { id: string }[]
      const minted = await ask('waitpoints', 'token', point?.id ?? '', '--source', 'bob')
      const byToken = (given: string) =>
        runCommand(tmpdir(), ['waitpoints', 'signal', point?.id ?? '', 'yes'], {
          FF_URL: dev.url,
          FF_WAITPOINT_TOKEN: given,
        })
      expect(await byToken(`${minted.out}x`)).toMatchObject({ code: 4 })
      expect(await byToken(minted.out)).toMatchObject({ code: 0, out: 'satisfied' })
      await until('it has ended', async () => (await ask('show', id)).out.includes('completed'), 20_000)
      expect((await ask('show', id)).out).toContain('"source":"bob"')
      expect(await ask('signal', id, 'approval', 'late')).toMatchObject({ code: 1, out: 'waitpoint_closed' })

      const waiting = JSON.parse((await ask('submit', 'nobody-runs-it', '--json')).out) as { id: string }
      const opened = await ask('waitpoints', 'open', waiting.id, 'gate', '--expires', '3d')
      expect(opened.out).toMatch(/^created \{fp:\d+\}:\S+\nk-\S+$/)
      const gate = opened.out.split('\n')[0]?.split(' ')[1] ?? ''
      expect((await ask('waitpoints', 'close', gate)).out).toBe('open → closed')
      expect((await ask('waitpoints', waiting.id)).out).toMatch(/gate +closed/)
    } finally {
      await worker.drain({ graceMs: 0 })
    }
  })

  it('submit a flow from a file, and show it as a tree', async () => {
    const file = join(folder, 'flow.json')
    const nodes = [
      { name: 'fetch', kind: 'a' },
      { name: 'left', kind: 'b' },
      { name: 'right', kind: 'c' },
      { name: 'join', kind: 'd' },
    ]
    const edges = [
      { from: 'fetch', to: 'left' },
      { from: 'fetch', to: 'right' },
      { from: 'left', to: 'join' },
      { from: 'right', to: 'join' },
    ]
    await writeFile(file, JSON.stringify({ name: 'diamond', nodes, edges }))
    const submitted = await ask('flow', 'submit', file)
    const flowId = submitted.out.split(' ')[1] ?? ''
    const shown = await ask('flow', 'show', flowId)
    expect(shown.out.split('\n').slice(1)).toEqual([
      '· fetch  waiting',
      '├─ ○ left  waiting_children',
      '│  └─ ○ join  waiting_children  also after right',
      '└─ ○ right  waiting_children',
    ])
    expect((await ask('ls', '--flows')).out).toContain('diamond')
    expect((await ask('cancel', flowId)).code).toBe(0)
  })

  it('pause and resume a lane', async () => {
    expect((await ask('lanes', 'pause', 'default')).out).toBe('default: active → paused')
    expect((await ask('lanes', 'resume', 'default')).out).toBe('default: paused → active')
  })

  it('create, list and revoke tokens', async () => {
    const created = await ask(
      'token',
      'create',
      '--scope',
      'read',
      'submit',
      '--label',
      'reader',
      '--expires-in',
      '90d',
    )
    expect(created.code).toBe(0)
    const text = created.out
    expect(text).toMatch(/^ff_[0-9a-f-]{36}_[A-Za-z0-9_-]{43}$/)
    expect((await ask('ls', '--token', text)).code).toBe(0)
    expect(await ask('lanes', 'pause', 'default', '--token', text)).toMatchObject({ code: 2 })
    const listed = await ask('token', 'list')
    expect(listed.out).toMatch(/reader +submit,read +\(all\)/)
    expect(listed.out).not.toContain(text.slice(-43))
    const id = text.slice(3, 39)
    expect(await ask('token', 'revoke', id, '--reason', 'lost')).toMatchObject({ code: 0, out: 'revoked' })
    expect((await ask('token', 'list')).out).toContain('revoked 2')
    expect((await ask('token', 'create', '--scope', 'root')).code).toBe(2)
    expect((await ask('token', 'create', '--scope', 'read', '--expires-in', 'soon')).code).toBe(2)
    expect((await ask('audit', '--subject', id)).out).toMatch(/access\.revoke .*revoked +lost/)
  })

  it('list, add and retire signing keys, of which dev has one at once', async () => {
    const file = join(folder, '.flowfabric', 'signing-keys')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const [keyId = '', secret = ''] = (await readFile(file, 'utf8')).trim().split(':')
    const { out } = await ask('keyring', 'list')
    expect(out).toContain(keyId)
    expect(out).not.toContain(secret)
    expect(await ask('keyring', 'add', 'k-other')).toMatchObject({ code: 1 })
    expect((await ask('keyring', 'add', keyId)).out).toContain('duplicate')
    const fingerprint = 'f'.repeat(64)
    const added = await ask('keyring', 'add', 'k-other', '--fingerprint', fingerprint, '--signs-from', '30d')
    expect(added.out).toContain('added')
    expect(
      (await ask('keyring', 'retire', 'k-other', '--verify-until', '2026-01-01T00:00:00Z')).out,
    ).toContain('retired')
    expect((await ask('keyring', 'retire', 'k-none', '--verify-until', '1d')).code).toBe(4)
  })

  it('record namespaces', async () => {
    expect((await ask('namespaces', 'put', 'tenant', '--label', 'one', '--closed')).out).toBe('created')
    expect((await ask('namespaces', 'list')).out).toMatch(/tenant +one +closed to new work/)
    expect((await ask('namespaces', 'put', 'tenant', '--label', 'one')).out).toBe('changed')
  })

  it('follow the feed until they are interrupted', async () => {
    const tail = beginCommand(folder, ['tail', '--json'], { FF_URL: dev.url })
    const { out } = await ask('submit', 'seen', '--json')
    const { id } = JSON.parse(out) as { id: string }
    await ask('cancel', id)
    await until('the tail has it', () => tail.lines.some((line) => line.includes(id)))
    tail.stop()
    expect(await tail.ended).toBe(0)
  })

  it('follow what an execution emits until it has ended, and show its summary', async () => {
    const { id } = JSON.parse((await ask('submit', 'talk', '--lane', 'talks', '--json')).out) as {
      id: string
    }
    const stream = beginCommand(folder, ['stream', id], { FF_URL: dev.url })
    const token = (await readFile(join(folder, '.flowfabric', 'token'), 'utf8')).trim()
    const connect = { url: dev.url, token }
    const talk = defineTask({
      kind: 'talk',
      lane: 'talks',
      async handler({ emit, summary }) {
        await emit({ word: 'one' }, { type: 'token' })
        await summary({ words: 1 })
      },
    })
    const worker = createWorker({ connect, tasks: [talk] })
    await worker.start()
    expect(await stream.ended).toBe(0)
    await worker.drain()
    expect(stream.lines.map((line) => line.replace(/^\S+Z +/, ''))).toEqual([
      '0.0  token  {"word":"one"}',
      '0.1  {"words":1}',
    ])
    expect(JSON.parse((await ask('stream', id, '--summary')).out)).toEqual({ words: 1 })
    expect(await ask('stream', id, '--attempt', '7')).toMatchObject({ code: 4 })
  })

  it.each([
    [['show', '7'], {}, 2, 'invalid_execution_id'],
    [['show', '{fp:1}:0190a5f0-7a4c-7cc3-98c4-dc0c0c07398f'], {}, 4, 'execution_not_found'],
    [['ls'], { FF_URL: 'http://127.0.0.1:9' }, 3, 'connection_lost'],
    [['ls', '--token', 'wrong'], {}, 2, 'unauthorized'],
    [['submit', 'x', '--input', '{'], {}, 2, '--input is not JSON'],
    [['lss'], {}, 2, 'Did you mean ls'],
  ])('%j ends with its own exit code', async (args, env, code, said) => {
    const ran = await run(args, { FF_URL: dev.url, ...env })
    expect(ran).toMatchObject({ code })
    expect(ran.err).toContain(said)
  })
})

describe('flowfabric serve', () => {
  it('starts with nothing assumed, and names all that it lacks', async () => {
    expect(await run(['serve'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('FF_BACKEND (or --backend), FF_TOKEN'),
    })
    const postgres = await run(['serve', '--backend', 'postgres'], { FF_TOKEN: 'a-token-of-some-length' })
    expect(postgres).toMatchObject({ code: 2, err: expect.stringContaining('FF_POSTGRES_URL') })
    expect(await run(['serve', '--prot', '1'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('Did you mean --port'),
    })
  })
})

describe('flowfabric config', () => {
  it('prints where each setting came from, and no secret', async () => {
    const { out } = await run(['config', '--json'], { FF_TOKEN: 'a-token-of-some-length', FF_PORT: '8000' })
    const entries = JSON.parse(out) as { name: string; value: unknown; source: string }[]
    expect(entries).toContainEqual({ name: 'token', value: '********', source: 'environment FF_TOKEN' })
    expect(entries).toContainEqual({ name: 'port', value: 8000, source: 'environment FF_PORT' })
    expect(await run(['config'], { FF_TOKN: 'x' })).toMatchObject({
      code: 2,
      err: expect.stringContaining('FF_TOKEN'),
    })
  })
})

describe('a restart', () => {
  it('keeps folder and token, and shows the token no more', async () => {
    const { out } = await ask('submit', 'kept', '--json')
    dev.stop()
    expect(await dev.ended).toBe(0)
    expect((await run(['migrate'], place.env)).out).toContain('up to date')
    expect(await run(['doctor'], place.env)).toMatchObject({ code: 0 })

    dev = await startDev(folder, place.env)
    const token = (await readFile(join(folder, '.flowfabric', 'token'), 'utf8')).trim()
    expect(dev.lines.join('\n')).not.toContain(token)
    const { id } = JSON.parse(out) as { id: string }
    expect((await ask('show', id)).out).toContain('kept')
  })
})
