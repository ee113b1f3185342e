import type { LogFields } from '../tasks/handler-context.js'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Where a worker and its handlers log. Any structured logger fits in two lines; there is none inside. */
export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void
}

/** Says nothing: the default, since a library that prints unasked is a nuisance. */
export const silentLogger: Logger = { log: () => undefined }
