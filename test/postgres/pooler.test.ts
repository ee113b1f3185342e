import { createPostgresBackend } from '@flowfabric/backend-postgres'
import { type FoundationBackend, type Hint, must, parseLaneId } from '@flowfabric/core'
import pg from 'pg'
import { afterEach, describe, expect, inject, it } from 'vitest'
import type { SqlInside } from '../support/backends.js'
import { codeOf } from '../support/builders.js'
import { urlThrough } from '../support/servers/pgbouncer.js'
import { until } from '../support/until.js'
import { useStore } from '../support/use-store.js'
import { WorkerDriver } from '../support/worker-driver.js'

const lane = parseLaneId('solos')

describe('behind a transaction pooler', () => {
  const store = useStore({ name: 'pgbouncer' })
  const inside = () => store().opened.inside as SqlInside
  const pooledUrl = () =>
    urlThrough(must(inject('pgbouncerPort'), 'a pooler'), must(inside().url, 'a server'))
  const opened: FoundationBackend[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(({ maintenance }) => maintenance.close()))
  })

  function open(more: object): FoundationBackend {
    const backend = createPostgresBackend({ connectionString: pooledUrl(), pooler: true, ...more })
    opened.push(backend)
    return backend
  }

  it('two clients do share the sessions of the server', async () => {
    const clients = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const client = new pg.Client({ connectionString: pooledUrl() })
        await client.connect()
        return client
      }),
    )
    const pids = await Promise.all(
      clients.map(
        async (client) => (await client.query('select pg_backend_pid() as pid')).rows[0].pid as number,
      ),
    )
    await Promise.all(clients.map((client) => client.end()))
    expect(new Set(pids).size).toBeLessThan(20)
  })

  it('leaves nothing in a session: no prepared statement, no setting, no lock, no channel', async () => {
    const backend = open({})
    const solos = Array.from({ length: 20 }, (_, n) =>
      store().aSolo(n % 2 === 0 ? {} : { idempotencyKey: `k${n}` }),
    )
    await Promise.all(
      solos.map((solo) => backend.executions.submit({ namespace: store().namespace, items: [solo] })),
    )
    const worker = new WorkerDriver({ ...store(), backend })
    for (const { handle } of await worker.claim({ max: 20 })) await worker.complete(handle)
    await backend.lanes.setState({ namespace: store().namespace, lane, state: 'paused' })
    const client = new pg.Client({ connectionString: pooledUrl() })
    await client.connect()
    try {
      for (let n = 0; n < 10; n += 1) {
        const { rows } = await client.query(
          `select (select count(*)::integer from pg_prepared_statements where name <> '') as prepared,
             (select count(*)::integer from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
             (select count(*)::integer from pg_listening_channels()) as channels,
             coalesce(current_setting('flowfabric.inside', true), '') || coalesce(current_setting('flowfabric.carries_ends', true), '') as settings,
             current_setting('lock_timeout') as lock_timeout, current_setting('search_path') as search_path`,
        )
        expect(rows).toEqual([
          {
            prepared: 0,
            locks: 0,
            channels: 0,
            settings: '',
            lock_timeout: '0',
            search_path: '"$user", public',
          },
        ])
      }
    } finally {
      await client.end()
    }
  })

  it('hears others by a connection past it, and is heard without one', async () => {
    const { namespace } = store()
    const heard: Hint[] = []
    // The store under test has listenConnectionString; this one only sends.
    const stop = store().backend.events.listen({ onHint: (hint) => void heard.push(hint) })
    const mute = open({})
    const listeners = `select count(*)::integer as n from pg_locks l
      where l.locktype = 'advisory' and l.mode = 'ShareLock' and l.granted and l.objsubid = 1
        and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('flowfabric/hints/flowfabric', 0)
        and l.database = (select oid from pg_database where datname = current_database())`
    await until('it listens', async () => (await inside().pool.query(listeners)).rows[0]?.n === 1)
    await mute.executions.submit({ namespace, items: [store().aSolo()] })
    await until('the hint comes', () => heard.some((hint) => hint.type === 'ready' && hint.lane === lane))
    stop()
  })

  it('refuses to listen through it', async () => {
    const listening = async () =>
      createPostgresBackend({ connectionString: pooledUrl(), pooler: true, listen: true })
    expect(await codeOf(listening())).toBe('invalid_configuration')
  })
})
