import type { SqlInside, TestBackend, ValkeyInside } from './backends.js'

/** Puts something else in the place of how far a record has come. Answers what was there. */
export async function replaceProgress(
  { inside }: TestBackend,
  table: 'operation' | 'webhook',
  id: string,
  text: string,
): Promise<string> {
  if ('pool' in inside) {
    const { pool, schema } = inside as SqlInside
    const { rows } = await pool.query(`select progress from ${schema}.${table} where id = $1`, [id])
    await pool.query(`update ${schema}.${table} set progress = $1 where id = $2`, [text, id])
    return String(rows[0]?.progress)
  }
  const { send, keys } = inside as ValkeyInside
  const key = String((await keys()).find((each) => each.endsWith(`/${id}`)))
  const before = String(await send('HGET', key, 'progress'))
  await send('HSET', key, 'progress', text)
  return before
}
