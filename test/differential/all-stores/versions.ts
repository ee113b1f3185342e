import { readFileSync } from 'node:fs'
import type { FoundationBackend } from '@flowfabric/core'
import type { Side } from '../world.js'

/** What was compared: Node, each store as it names itself, and our packages with the drivers that they use. */
export interface Versions {
  readonly node: string
  readonly stores: Readonly<Record<string, string>>
  readonly packages: Readonly<Record<string, string>>
}

const root = new URL('../../../', import.meta.url)
const ours = ['packages/core', 'packages/backend-postgres', 'packages/backend-valkey']
const drivers = [
  ['test/node_modules', 'pg'],
  ['test/node_modules', '@electric-sql/pglite'],
] as const

export async function readVersions(backends: ReadonlyMap<Side, FoundationBackend>): Promise<Versions> {
  const stores: Record<string, string> = {}
  for (const [side, { maintenance }] of backends) stores[side] = (await maintenance.describe()).store
  return {
    node: process.version,
    stores,
    packages: Object.fromEntries([
      ...ours.map((folder) => versionIn(folder)),
      ...drivers.map(([folder, name]) => versionIn(`${folder}/${name}`)),
    ]),
  }
}

function versionIn(folder: string): [string, string] {
  const { name, version } = JSON.parse(readFileSync(new URL(`${folder}/package.json`, root), 'utf8'))
  return [String(name), String(version)]
}
