import { readFileSync } from 'node:fs'
import { engineError } from '@flowfabric/core'
import {
  environmentName,
  isSecret,
  type SettingName,
  type Settings,
  settingNames,
  settingsSchema,
} from './settings.js'
import { suggestNearest } from './suggest.js'

/** Where the value of a setting came from. */
export type SettingSource = 'default' | 'flag' | `file ${string}` | `environment ${string}`

export interface LoadedSettings {
  readonly settings: Settings
  readonly sources: Readonly<Record<SettingName, SettingSource>>
}

export interface SettingInputs {
  readonly env: Readonly<Record<string, string | undefined>>
  /** What was said on the command line. */
  readonly flags?: Readonly<Record<string, unknown>> | undefined
  /** A JSON file; by default the one that `FF_CONFIG` names. */
  readonly file?: string | undefined
}

/** Variables that begin with `FF_` and are no settings of a server: the command line's own. */
const OTHER_VARIABLES = ['FF_CONFIG', 'FF_URL', 'FF_NAMESPACE', 'FF_WAITPOINT_TOKEN']

/**
 * Reads the settings: defaults, then the file, then the environment, then flags. A name that does not exist is an error,
 * as a typing slip must not quietly mean the default. Throws `invalid_configuration`.
 */
export function loadSettings({ env, flags = {}, file = env.FF_CONFIG }: SettingInputs): LoadedSettings {
  const sources = Object.fromEntries(settingNames.map((name) => [name, 'default'])) as Record<
    SettingName,
    SettingSource
  >
  const given: Record<string, unknown> = {}
  const take = (
    values: Readonly<Record<string, unknown>>,
    sourceOf: (name: SettingName) => SettingSource,
  ) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) continue
      given[name] = value
      sources[name as SettingName] = sourceOf(name as SettingName)
    }
  }
  if (file !== undefined) take(readFile(file), () => `file ${file}`)
  take(readEnvironment(env), (name) => `environment ${environmentName(name)}`)
  take(requireKnown(flags, 'flag'), () => 'flag')
  const read = settingsSchema.safeParse(given)
  if (read.success) return { settings: read.data, sources }
  const faults = read.error.issues.map((issue) => {
    const name = String(issue.path[0]) as SettingName
    return `${name} (${sources[name]}): ${issue.message}`
  })
  throw engineError('invalid_configuration', `The configuration does not hold: ${faults.join('; ')}`)
}

function readFile(file: string): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw engineError(
      'invalid_configuration',
      `The configuration file ${file} cannot be read as JSON`,
      {},
      { cause },
    )
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw engineError('invalid_configuration', `The configuration file ${file} must hold an object`)
  }
  return requireKnown(parsed as Record<string, unknown>, `setting of ${file}`)
}

function requireKnown(
  values: Readonly<Record<string, unknown>>,
  what: string,
): Readonly<Record<string, unknown>> {
  for (const name of Object.keys(values)) {
    if (!(settingNames as readonly string[]).includes(name)) throw unknownName(name, what, settingNames)
  }
  return values
}

/** `FF_<NAME>`, and for secrets `FF_<NAME>_FILE`: a file that holds it. */
function readEnvironment(env: SettingInputs['env']): Readonly<Record<string, unknown>> {
  const byVariable = new Map(settingNames.map((name) => [environmentName(name), name]))
  const values: Record<string, unknown> = {}
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('FF_') || value === undefined || OTHER_VARIABLES.includes(variable)) continue
    const name = byVariable.get(variable)
    const secret = byVariable.get(variable.replace(/_FILE$/, ''))
    if (name !== undefined) values[name] = value
    else if (secret !== undefined && isSecret(secret)) values[secret] = readSecret(variable, value)
    else throw unknownName(variable, 'environment variable', [...byVariable.keys(), ...OTHER_VARIABLES])
  }
  return values
}

function readSecret(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw engineError(
      'invalid_configuration',
      `The file that ${variable} names cannot be read`,
      {},
      { cause },
    )
  }
}

function unknownName(name: string, what: string, known: readonly string[]) {
  const nearest = suggestNearest(name, known)
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return engineError('invalid_configuration', `There is no ${what} ${name}${hint}`)
}
