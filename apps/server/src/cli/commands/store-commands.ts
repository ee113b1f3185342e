import { resolve } from 'node:path'
import { parseExecutionIdUrl } from '@flowfabric/core'
import { createEmbedded, type Embedded } from '@flowfabric/embedded'
import type { Command } from 'commander'
import type { Settings } from '../../config/settings.js'
import { environmentName, isSecret, settingNames } from '../../config/settings.js'
import { storeOptionsOf } from '../../run-server.js'
import { formatJson, formatTable } from '../format.js'
import { formatOutline } from '../outline.js'
import { readSettings, withSettingOptions } from '../setting-options.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'

const shown = settingNames.filter((name) => !isSecret(name))
type Flags = Readonly<Record<string, unknown>> & { readonly json?: boolean }

/** `migrate`, `doctor`, `inspect` and `config`: what concerns the store and the settings, without a server. */
export function addStoreCommands(program: Command, terminal: Terminal): void {
  withSettingOptions(
    program.command('migrate').description('bring the store’s tables up to this version'),
    shown,
  )
    .option('--json', 'JSON for programs')
    .action((flags: Flags) => migrate(terminal, flags))
  withSettingOptions(
    program.command('doctor').description('check store, clock and settings, and say what to do'),
    shown,
  )
    .option('--json', 'JSON for programs')
    .action((flags: Flags) => diagnose(terminal, flags))
  withSettingOptions(
    program.command('inspect <id>').description('print all that the store itself holds of an execution'),
    shown,
  )
    .option('--json', 'JSON for programs')
    .action((id: string, flags: Flags) => inspect(terminal, id, flags))
  withSettingOptions(
    program.command('config').description('print the settings and where each came from; secrets are masked'),
    shown,
  )
    .option('--json', 'JSON for programs')
    .action((flags: Flags) => printConfig(terminal, flags))
}

async function migrate(terminal: Terminal, flags: Flags): Promise<void> {
  const { settings } = readSettings(terminal, flags)
  const embedded = await open(terminal, settings)
  try {
    const { store, layoutVersion, partitions } = await embedded.backend.maintenance.describe()
    const done = { store, layoutVersion, partitions }
    terminal.out(
      flags.json ? formatJson(done) : `${embedded.info.store}: ${store}, layout ${layoutVersion}, up to date`,
    )
  } finally {
    await embedded.stop({ graceMs: 0 })
  }
}

interface Finding {
  readonly check: string
  readonly state: 'ok' | 'warning' | 'fault'
  readonly found: string
  readonly advice: string
}

async function diagnose(terminal: Terminal, flags: Flags): Promise<void> {
  const { settings } = readSettings(terminal, flags)
  const findings: Finding[] = []
  let embedded: Embedded | undefined
  try {
    embedded = await open(terminal, settings)
    findings.push({ check: 'store', state: 'ok', found: embedded.info.store, advice: '' })
    findings.push(...(await examineStore(embedded)))
  } catch (error) {
    const { message } = error as Error
    findings.push({
      check: 'store',
      state: 'fault',
      found: message,
      advice: 'start or repair it, or correct its address',
    })
  } finally {
    await embedded?.stop({ graceMs: 0 })
  }
  findings.push(...examineSettings(settings))
  if (flags.json) terminal.out(formatJson(findings))
  else {
    const rows = findings.map(({ check, state, found, advice }) => [check, state, found, advice])
    terminal.out(formatTable(['check', 'state', 'found', 'do'], rows))
  }
  if (findings.some(({ state }) => state === 'fault'))
    throw new CommandError('Something is wrong, see above', exitCodes.refused)
}

const PINGS = 5
const SLOW_MS = 20
const SKEW_MS = 500

async function examineStore({ backend: { maintenance } }: Embedded): Promise<readonly Finding[]> {
  const { store, layoutVersion, durability, virtualTime, partitions, counts } = await maintenance.describe()
  const pings: number[] = []
  for (let ping = 0; ping < PINGS; ping++) pings.push((await maintenance.ping()).roundTripMs)
  const slowest = Math.max(...pings)
  const before = Date.now()
  const storeTime = await maintenance.serverTimeMs()
  const skewMs = Math.round(storeTime - (before + Date.now()) / 2)
  return [
    { check: 'version', state: 'ok', found: `${store}, layout ${layoutVersion}`, advice: '' },
    { check: 'durability', state: 'ok', found: durability, advice: '' },
    {
      check: 'latency',
      state: slowest > SLOW_MS ? 'warning' : 'ok',
      found: `at most ${slowest.toFixed(1)} ms in ${PINGS}`,
      advice: slowest > SLOW_MS ? 'bring server and store nearer to each other' : '',
    },
    {
      check: 'clock',
      state: Math.abs(skewMs) > SKEW_MS && !virtualTime ? 'warning' : 'ok',
      found: `${skewMs} ms from this machine’s`,
      advice: Math.abs(skewMs) > SKEW_MS ? 'time is the store’s: harmless, but logs will not line up' : '',
    },
    {
      check: 'virtual time',
      state: virtualTime ? 'warning' : 'ok',
      found: virtualTime ? 'on' : 'off',
      advice: virtualTime ? 'this store was made for tests: use another' : '',
    },
    {
      check: 'content',
      state: 'ok',
      found: `${counts.executions} executions, ${counts.flows} flows, ${partitions.flow} partitions`,
      advice: '',
    },
  ]
}

function examineSettings(settings: Settings): readonly Finding[] {
  const isServed = settings.backend === 'postgres' || settings.backend === 'valkey'
  const missing = isServed && settings.token === undefined
  return [
    {
      check: 'token',
      state: missing ? 'warning' : 'ok',
      found: settings.token === undefined ? 'none' : 'given',
      advice: missing ? `serve will want ${environmentName('token')}` : '',
    },
  ]
}

async function inspect(terminal: Terminal, text: string, flags: Flags): Promise<void> {
  const id = parseExecutionIdUrl(text)
  const { settings } = readSettings(terminal, flags)
  const embedded = await open(terminal, settings)
  try {
    const stored = await embedded.inspect(id)
    terminal.out(flags.json ? formatJson(stored) : formatOutline(stored))
  } finally {
    await embedded.stop({ graceMs: 0 })
  }
}

function printConfig(terminal: Terminal, flags: Flags): void {
  const { settings, sources } = readSettings(terminal, flags)
  const entries = settingNames.map((name) => {
    const value = settings[name]
    const masked = isSecret(name) && value !== undefined ? '********' : value
    return { name, value: masked === undefined ? null : masked, source: sources[name] }
  })
  const rows = entries.map(({ name, value, source }) => [name, value === null ? '-' : String(value), source])
  terminal.out(flags.json ? formatJson(entries) : formatTable(['setting', 'value', 'source'], rows))
}

/** The store alone: nothing runs in the background. */
function open(terminal: Terminal, settings: Settings): Promise<Embedded> {
  return createEmbedded({
    ...storeOptionsOf({ ...settings, folder: resolve(terminal.cwd, settings.folder) }),
    connectionsMax: 2,
    scanners: false,
  })
}
