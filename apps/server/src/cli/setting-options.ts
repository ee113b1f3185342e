import { type Command, Option } from 'commander'
import { type LoadedSettings, loadSettings } from '../config/load-settings.js'
import {
  describeSetting,
  environmentName,
  flagName,
  type SettingName,
  settingNames,
} from '../config/settings.js'
import type { Terminal } from './terminal.js'

/** A flag for each setting but secrets, which a process list would show. */
export function withSettingOptions(command: Command, names: readonly SettingName[] = settingNames): Command {
  command.option('--config <file>', 'JSON file with settings (FF_CONFIG)')
  for (const name of names) {
    command.addOption(
      new Option(`${flagName(name)} <value>`, `${describeSetting(name)} (${environmentName(name)})`),
    )
  }
  return command
}

/** The settings of a command: what it was told, over the environment, over the file, over the defaults. */
export function readSettings(terminal: Terminal, flags: Readonly<Record<string, unknown>>): LoadedSettings {
  const { config, json: _, ...settings } = flags
  return loadSettings({
    env: terminal.env,
    flags: settings,
    file: (config as string | undefined) ?? terminal.env.FF_CONFIG,
  })
}
