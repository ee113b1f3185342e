import {
  describeSetting,
  environmentName,
  flagName,
  isSecret,
  settingNames,
  settingsSchema,
} from './settings.js'

export interface DescribedSetting {
  readonly name: string
  readonly environment: string
  /** Secrets have none: a process list would show them. */
  readonly flag: string | null
  readonly default: unknown
  readonly description: string
  readonly isSecret: boolean
}

/** The settings as the docs' table has them. */
export function describeSettings(): readonly DescribedSetting[] {
  const defaults = settingsSchema.parse({})
  return settingNames.map((name) => ({
    name,
    environment: environmentName(name),
    flag: isSecret(name) ? null : flagName(name),
    default: defaults[name] ?? null,
    description: describeSetting(name),
    isSecret: isSecret(name),
  }))
}
