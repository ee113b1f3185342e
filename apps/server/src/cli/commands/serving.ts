import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isEngineError } from '@flowfabric/core'
import { keepSigningSecrets } from '@flowfabric/embedded'
import type { Command } from 'commander'
import type { LoadedSettings } from '../../config/load-settings.js'
import {
  environmentName,
  flagName,
  isSecret,
  type SettingName,
  type Settings,
  settingNames,
} from '../../config/settings.js'
import { type RunningProcess, runServer } from '../../run-server.js'
import { version } from '../../version.js'
import { devTokenFile } from '../connect.js'
import { readSettings, withSettingOptions } from '../setting-options.js'
import { CommandError, exitCodes, type Terminal } from '../terminal.js'

const shown = settingNames.filter((name) => !isSecret(name))

/** `dev` and `serve`. */
export function addServing(program: Command, terminal: Terminal): void {
  withSettingOptions(
    program.command('dev').description('run everything here, on an embedded store, without any set-up'),
    shown,
  ).action((flags: Readonly<Record<string, unknown>>) => runDev(terminal, readSettings(terminal, flags)))
  withSettingOptions(program.command('serve').description('run a server; says what it lacks'), shown).action(
    (flags: Readonly<Record<string, unknown>>) => runServe(terminal, readSettings(terminal, flags)),
  )
}

async function runDev(terminal: Terminal, { settings, sources }: LoadedSettings): Promise<void> {
  const folder = resolve(terminal.cwd, settings.folder)
  const { token, isNew } =
    settings.token === undefined ? keepToken(folder) : { token: settings.token, isNew: false }
  const running = await refuseSecondStart(
    runServer(
      {
        ...settings,
        folder,
        token,
        backend: settings.backend ?? 'pglite',
        // A person watches: only what matters.
        logLevel: sources.logLevel === 'default' ? 'warn' : settings.logLevel,
      },
      settings.signingKeys === undefined ? keepSigningSecrets(folder) : undefined,
    ),
  )
  for (const line of welcome(running, token, isNew, folder)) terminal.out(line)
  await runUntilAsked(terminal, running)
}

async function runServe(terminal: Terminal, { settings }: LoadedSettings): Promise<void> {
  const missing = missingSettings(settings)
  if (missing.length > 0) {
    throw new CommandError(`serve needs ${missing.map(nameOf).join(', ')}; it starts with nothing assumed.`)
  }
  const running = await refuseSecondStart(
    runServer({ ...settings, folder: resolve(terminal.cwd, settings.folder) }),
  )
  const place = running.server?.url ?? 'no API'
  terminal.out(`FlowFabric ${version}: ${place}, store ${running.embedded.info.store}`)
  await runUntilAsked(terminal, running)
}

/** What production needs to be told. */
export function missingSettings(settings: Settings): readonly SettingName[] {
  return [
    ...(settings.backend === undefined ? (['backend'] as const) : []),
    ...(settings.backend === 'postgres' && settings.postgresUrl === undefined
      ? (['postgresUrl'] as const)
      : []),
    ...(settings.backend === 'valkey' && settings.valkeyUrl === undefined ? (['valkeyUrl'] as const) : []),
    ...(settings.api && settings.token === undefined ? (['token'] as const) : []),
  ]
}

function nameOf(name: SettingName): string {
  return isSecret(name)
    ? `${environmentName(name)} (or ${environmentName(name)}_FILE)`
    : `${environmentName(name)} (or ${flagName(name)})`
}

async function refuseSecondStart(starting: Promise<RunningProcess>): Promise<RunningProcess> {
  try {
    return await starting
  } catch (error) {
    if (!isEngineError(error, 'store_in_use')) throw error
    const { url, pid } = error.details as { readonly url?: string; readonly pid?: number }
    const where = url === undefined ? `process ${pid ?? 'unknown'}` : `${url} (process ${pid ?? 'unknown'})`
    throw new CommandError(
      `store_in_use: the store is open already, by ${where}. Use that one, or stop it first.`,
      exitCodes.refused,
    )
  }
}

/** Serves until SIGINT or SIGTERM, then ends in order. */
async function runUntilAsked(terminal: Terminal, running: RunningProcess): Promise<void> {
  await new Promise<void>((done) => {
    if (terminal.signal.aborted) done()
    terminal.signal.addEventListener('abort', () => done(), { once: true })
  })
  await running.stop()
}

/** The token of a folder: minted at the first start, kept readable by its owner alone. */
function keepToken(folder: string): { readonly token: string; readonly isNew: boolean } {
  const file = join(folder, devTokenFile)
  if (existsSync(file)) return { token: readFileSync(file, 'utf8').trim(), isNew: false }
  const token = `ff_${randomBytes(24).toString('base64url')}`
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, `${token}\n`, { mode: 0o600 })
  return { token, isNew: true }
}

function welcome(running: RunningProcess, token: string, isNew: boolean, folder: string): readonly string[] {
  const url = running.server?.url ?? ''
  const shownToken = isNew ? token : `$(cat ${join(folder, devTokenFile)})`
  return [
    `FlowFabric ${version} runs at ${url}, its store is ${running.embedded.info.store}`,
    isNew
      ? `Its token, shown this once and kept in ${join(folder, devTokenFile)}: ${token}`
      : `Its token is in ${join(folder, devTokenFile)}`,
    '',
    'Try, from another terminal in this folder:',
    `  curl -s ${url}/v1/executions -H "Authorization: Bearer ${shownToken}" \\`,
    `    -H 'Content-Type: application/json' -d '{"kind":"hello","input":{"name":"world"}}'`,
    '  flowfabric ls          what is there',
    '  flowfabric explain ID  why it does not run',
    '  flowfabric tail        what happens',
    `  ${url}/docs   the whole API`,
    '',
    'Stop it with Ctrl-C.',
  ]
}
