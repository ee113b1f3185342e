/** What a program that a test starts inherits: the suite's own settings are none of its, and a server refuses what it doesn't know. */
export const inheritedEnv: Readonly<Record<string, string | undefined>> = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('FF_')),
)
