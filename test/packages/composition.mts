// Engine and scanners without a store: scanners are data, and the engine takes any backend as a value.
import assert from 'node:assert/strict'
import { createEngine } from '@flowfabric/engine'
import { foundationScanners } from '@flowfabric/scanners'

const scanners = foundationScanners()
assert.equal(new Set(scanners.map(({ name }) => name)).size, scanners.length)
assert.equal(typeof createEngine, 'function')
