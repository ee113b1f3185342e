import type { Logger } from '@flowfabric/engine'
import { type Logger as PinoLogger, pino } from 'pino'

/** Lines of JSON on stderr, so that what a command prints stays apart. Credentials are never in them. */
export function createLogger(level: string): PinoLogger {
  return pino(
    {
      level,
      base: null,
      redact: [
        'req.headers.authorization',
        'token',
        'signingKeys',
        'postgresUrl',
        'postgresListenUrl',
        'valkeyUrl',
      ],
    },
    pino.destination({ dest: 2, sync: true }),
  )
}

/** The engine's lines through pino. */
export function toEngineLogger(logger: PinoLogger): Logger {
  return { log: (level, message, fields = {}) => logger[level](fields, message) }
}
