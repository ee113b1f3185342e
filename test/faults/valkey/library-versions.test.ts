import { setTimeout as pause } from 'node:timers/promises'
import { Redis } from 'iovalkey'
import { expect, it, onTestFinished } from 'vitest'
import { startValkey } from '../../support/servers/valkey.js'
import { isSoak } from '../../support/soak.js'
import { until } from '../../support/until.js'
import { expectAsTold, expectNobodyNoticed, expectNoDefects } from '../load/judge.js'
import { partitions } from '../load/prepare.js'
import { openChances, reportOutcome } from '../load/report.js'
import { openLoad, openNode, openScene } from '../load/scene.js'
import { untilAllEnded } from '../load/settle.js'
import { openOtherVersion, openThisVersion } from './other-version.js'

const togetherMs = isSoak ? 30_000 : 1_500

it('two versions of the library work side by side, and one that nobody uses any more goes', {
  timeout: 300_000,
}, async () => {
  const name = 'Valkey, two versions'
  const { random, seed } = openChances(name)
  const server = await startValkey()
  onTestFinished(() => server.stop())
  const client = new Redis(server.url)
  onTestFinished(() => client.disconnect())
  // Of somebody else, whatever its name.
  const others = ['flowfabric_of_ours', 'somebody']
  for (const [place, other] of others.entries()) {
    const code = `#!lua name=${other}\nredis.register_function('f${place}', function() return 1 end)`
    await client.call('FUNCTION', 'LOAD', code)
  }
  const listed = async () => {
    const libraries = (await client.call('FUNCTION', 'LIST')) as string[][]
    return libraries.map((fields) => fields[fields.indexOf('library_name') + 1]).sort()
  }

  const [older, newer] = [await openOtherVersion(), await openThisVersion()]
  expect(older.library.name).not.toBe(newer.library.name)
  const openOlder = () => older.createValkeyBackend({ url: server.url, partitions })
  const openNewer = () => newer.createValkeyBackend({ url: server.url, partitions })
  const scene = await openScene(openOlder, random)
  const { backend: olderClient, nodes: olderNodes, ledger, roles, lines, load } = scene
  expect(await listed()).toEqual([older.library.name, ...others].sort())

  const backend = openNewer()
  onTestFinished(() => backend.maintenance.close())
  await backend.maintenance.prepare()
  const both = [older.library.name, newer.library.name, ...others].sort()
  expect(await listed()).toEqual(both)
  const newerNodes = [await openNode(openNewer, ledger, roles, lines)]
  const newerLoad = openLoad(newerNodes, roles, ledger, random, { submitters: 2 })
  await pause(togetherMs)
  await backend.maintenance.prepare()
  expect(await listed()).toEqual(both)
  const haveAllWorked = () => [...olderNodes, ...newerNodes].every(({ recorded }) => recorded() > 10)
  await until('workers of both versions have ended something', haveAllWorked, 30_000)

  // The older ones go, under load, and with the last of them their library.
  await load.stop()
  for (const [place, node] of olderNodes.entries()) {
    await node.stop()
    await backend.maintenance.prepare()
    if (place + 1 < olderNodes.length) expect(await listed()).toEqual(both)
  }
  expect(await listed()).toEqual([newer.library.name, ...others].sort())
  await pause(togetherMs / 3)
  await newerLoad.stop()
  await untilAllEnded(newerNodes[0], roles, ledger)
  await newerNodes[0]?.stop()
  expectNobodyNoticed(lines, ledger)
  const losses = await expectAsTold(backend, ledger, roles, 'acknowledged')
  expectNoDefects(lines, ledger)

  // A process that is in no registry has its own again with the next call.
  const { partitions: counts } = await olderClient.maintenance.describe()
  expect(counts).toEqual(partitions)
  expect(await listed()).toEqual(both)
  reportOutcome({ name, seed, ledger, losses })
})
