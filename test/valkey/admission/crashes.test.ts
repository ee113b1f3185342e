import { mintUuid, parseNamespace, partitionIndexOf } from '@flowfabric/core'
import { describe, expect, it } from 'vitest'
import { library } from '../../../packages/backend-valkey/src/generated/library.js'
import { pack, unpack } from '../../../packages/backend-valkey/src/records/packing.js'
import { AdmissionDriver } from '../../support/admission-driver.js'
import { createTestBackend } from '../../support/backends.js'
import { inNamespace } from '../../support/use-store.js'

describe('a claimer that died', () => {
  it.each([
    ['with an offer', false],
    ['with an offer, and what it took', true],
  ])('%s keeps its line waiting for ten seconds, and nothing longer', async (_, takes) => {
    const opened = await createTestBackend({ name: 'valkey' })
    try {
      const store = inNamespace(opened, parseNamespace('died'))
      const { inside } = opened
      if (!('send' in inside)) throw new Error('not a Valkey store')
      const driver = new AdmissionDriver(store)
      const quotaId = await driver.quota({ concurrency: 1 })
      const id = await driver.submitQuota()
      const call = async (name: string, tag: string, args: readonly unknown[]) => {
        const packed = pack([[64, 64, 512, 7, 0, '0', 'abcdefgh'], args])
        const key = `${inside.keyPrefix}:idx:{${tag}}:meta`
        const [reply] = (await inside.send('FCALL', `${library.prefix}${name}`, 1, key, packed)) as Buffer[]
        const [told] = unpack(reply ?? Buffer.alloc(0), 'the answer') as readonly [readonly unknown[]]
        return told
      }
      const tag = `fp:${partitionIndexOf(id)}`
      const rids = (await inside.send('HKEYS', `${inside.keyPrefix}:idx:{${tag}}:routes`)) as Buffer[]
      const base = mintUuid().slice(0, 24)
      const lanes = [[`${store.namespace}/solos`, 0, 0, 0, 0, rids.map(String)]]
      const claim = [mintUuid(), 'worker', mintUuid(), 30_000, 1, base, false, lanes, 1_000_000]
      const offers = (await call('work_work', tag, [[], [], [], [], [claim]]))[4] as readonly unknown[][]
      const [, line, items] = offers[0] as [number, string, readonly [string, string][]]
      expect(items).toHaveLength(1)
      const holder = `${id}|${items[0]?.[1]}`
      if (takes)
        await call('quotas_reserve', 'q:0', [quotaId, '', `${tag}|${line}`, base, [[holder, 1, true]]])
      expect(await driver.claimIds()).toEqual([])
      expect(await driver.readQuota()).toMatchObject({ held: takes ? 1 : 0 })
      await store.pass(9_999)
      expect(await driver.claimIds()).toEqual([])
      await store.pass(1)
      expect(await driver.readQuota()).toMatchObject({ held: 0 })
      expect(await driver.claimIds()).toEqual([id])
      expect(await driver.readQuota()).toMatchObject({ held: 1 })
      // What comes of it late is not leased any more.
      const late = [line, base, claim.slice(0, 4), [[id.slice(-36), items[0]?.[1]]], [], [], []]
      expect((await call('leases_admit', tag, late))[0]).toEqual([false])
      // What is held is held for good, once its execution was looked at.
      await store.pass(15_000)
      expect(await driver.readQuota()).toMatchObject({ held: 1 })
    } finally {
      await opened.close()
    }
  })
})
