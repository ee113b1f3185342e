import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningDev, runCommand, startDev } from './support/command-line.js'

/** `flowfabric dev` with nothing said: it keeps its store in a folder, which is for one process at a time. */
let folder: string
let dev: RunningDev

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'flowfabric-dev-'))
  dev = await startDev(folder, {})
})
afterAll(async () => {
  dev.stop()
  await dev.ended
  await rm(folder, { recursive: true, force: true })
})

describe('a folder that is in use', () => {
  it('refuses a second start, with the address of the first', async () => {
    const second = await runCommand(folder, ['dev', '--port', '0'])
    expect(second.code).toBe(1)
    expect(second.err).toContain('store_in_use')
    expect(second.err).toContain(dev.url)
  })

  it('is what the doctor finds, and by whom', async () => {
    const { code, out } = await runCommand(folder, ['doctor'])
    expect(code).toBe(1)
    expect(out).toContain(dev.url)
  })
})
