/** The settings that a change states. */
export function statedOf<Settings extends object>(
  settings: Settings,
): { [K in keyof Settings]?: Exclude<Settings[K], undefined> } {
  const stated = Object.entries(settings).filter(([, value]) => value !== undefined)
  return Object.fromEntries(stated) as { [K in keyof Settings]?: Exclude<Settings[K], undefined> }
}
