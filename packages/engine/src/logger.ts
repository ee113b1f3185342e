export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, unknown>>

/** Where the engine's lines go. Any structured logger fits in two lines; there is none inside. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void
}

/** Says nothing: the default, since a library that prints unasked is a nuisance. */
export const silentLogger: Logger = { log() {} }

/** What a line says about an error: its code where there is one, its message, and its cause's message. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  return {
    error: error.message,
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause }),
  }
}
