import type { TestBackend } from '../../support/backends.js'

/** All that the store holds, as text. */
export async function dump({ inside }: TestBackend): Promise<string> {
  if ('model' in inside) throw new Error('the model is no store')
  if ('pool' in inside) {
    const { pool, schema } = inside
    const tables = await pool.query(
      'select quote_ident(schemaname) || $2 || quote_ident(tablename) as name from pg_tables where schemaname = $1',
      [schema, '.'],
    )
    const rows = await Promise.all(
      tables.rows.map(({ name }) => pool.query(`select t::text as row from ${name} t`)),
    )
    return rows.flatMap((each) => each.rows.map(({ row }) => String(row))).join('\n')
  }
  const keys = await inside.keys()
  const texts = await Promise.all(keys.map((key) => dumpKey(inside.send, key)))
  return texts.flat().join('\n')
}

type Send = (command: string, ...args: (string | number)[]) => Promise<unknown>

const readings: Readonly<Record<string, (send: Send, key: string) => Promise<unknown>>> = {
  string: (send, key) => send('GET', key),
  hash: (send, key) => send('HGETALL', key),
  list: (send, key) => send('LRANGE', key, 0, -1),
  set: (send, key) => send('SMEMBERS', key),
  zset: (send, key) => send('ZRANGE', key, 0, -1),
  stream: (send, key) => send('XRANGE', key, '-', '+'),
}

async function dumpKey(send: Send, key: string): Promise<string[]> {
  const read = readings[String(await send('TYPE', key))]
  return [key, ...textsIn(await read?.(send, key))]
}

function textsIn(value: unknown): string[] {
  if (Buffer.isBuffer(value)) return [value.toString('latin1')]
  return Array.isArray(value) ? value.flatMap(textsIn) : [String(value)]
}
