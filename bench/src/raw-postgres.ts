import pg from 'pg'
import { perSecond } from './measure.js'

/**
 * What the machine's Postgres bears at all, so that our figures can be read as a share of it: rows that go from waiting
 * to done in batches of 64, with nothing else around them.
 */
export async function measureRawPostgres(connectionString: string, count: number): Promise<number> {
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    await client.query('create table raw_task (id int primary key, payload text, state int not null)')
    await client.query('create index on raw_task (id) where state = 0')
    await client.query(
      `insert into raw_task select n, repeat('x', 100), 0 from generate_series(1, ${count}) n`,
    )
    await client.query('vacuum analyze raw_task')
    const startedAt = performance.now()
    for (let done = 0; done < count; done += 64) {
      const { rows } = await client.query({
        name: 'take',
        text: `update raw_task set state = 1 where id in (select id from raw_task where state = 0 order by id limit 64 for update skip locked)
          returning id`,
      })
      await client.query({
        name: 'end',
        text: 'update raw_task set state = 2 where id = any($1)',
        values: [rows.map(({ id }) => id)],
      })
    }
    return perSecond(count, performance.now() - startedAt)
  } finally {
    await client.end()
  }
}
