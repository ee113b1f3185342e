import fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { openPglite } from './open-pglite.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'ff-pglite-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('an embedded store', () => {
  it('keeps what was committed, and flushes each commit only when asked to', async () => {
    const flushes = vi.spyOn(fs, 'fsyncSync')
    const fast = await openPglite(folder)
    await fast.pglite.exec('create table kept (n int); insert into kept values (1)')
    expect(flushes).not.toHaveBeenCalled()
    await expect(openPglite(folder)).rejects.toMatchObject({ code: 'store_in_use' })
    await fast.close()

    const safe = await openPglite(folder, { durability: 'power-loss' })
    const before = flushes.mock.calls.length
    for (let n = 2; n <= 6; n += 1) await safe.pglite.query('insert into kept values ($1)', [n])
    expect(flushes.mock.calls.length - before).toBeGreaterThanOrEqual(5)
    expect((await safe.pglite.query('select count(*)::int as n from kept')).rows).toEqual([{ n: 6 }])
    await safe.close()
    flushes.mockRestore()
  }, 60_000)
})
