import { limits } from '@flowfabric/core'
import { z } from 'zod'
import { defaultHost, defaultPort } from '../start-server.js'

const wholeNumber = (min: number, max: number) => z.coerce.number().int().min(min).max(max)
const onOff = z.union([
  z.boolean(),
  z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1'),
])

/**
 * Every setting of a server, once: files, environment and flags are read by it, and the table in the docs is made from
 * it. The environment's name of a setting is `FF_` and its name in capitals: `FF_POSTGRES_URL`.
 */
export const settingsSchema = z.strictObject({
  backend: z
    .enum(['pglite', 'postgres', 'valkey'])
    .optional()
    .describe(
      'The store: embedded in a folder, a Postgres or a Valkey server. `serve` asks for it; `dev` takes `pglite`.',
    ),
  folder: z.string().min(1).default('.flowfabric').describe('Folder of the embedded store.'),
  postgresUrl: z
    .string()
    .min(1)
    .optional()
    .describe('Address of the Postgres server: `postgres://…`.')
    .meta({ secret: true }),
  postgresSchema: z.string().default('flowfabric').describe('Schema that holds all tables.'),
  postgresConnectionsMax: wholeNumber(1, 1_000).default(10).describe('Connections to the Postgres server.'),
  postgresPooler: onOff.default(false).describe('Whether a transaction pooler stands between.'),
  postgresListenUrl: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Where the one connection that listens to other processes goes, past the pooler. Without it, work that another process submits is found by looking.',
    )
    .meta({ secret: true }),
  valkeyUrl: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Address of the Valkey server, or of a node of the Cluster: `valkey://…`, with TLS `valkeys://…`.',
    )
    .meta({ secret: true }),
  valkeyCluster: onOff.default(false).describe('Whether that server is a node of a Cluster.'),
  valkeyKeyPrefix: z.string().default('ff').describe('What all keys in Valkey begin with.'),
  valkeyWaitFor: z
    .enum(['nothing', 'replica', 'disk', 'replica-disk', 'disk-and-replica-disk'])
    .default('nothing')
    .describe(
      'What has to have a submission, an end or whatever else is kept before it is answered: a replica’s memory (`WAIT`), or the log on the primary’s disk, on a replica’s, or on both (`WAITAOF`).',
    ),
  valkeyWaitTimeoutMs: wholeNumber(1, 600_000)
    .default(5_000)
    .describe('How long it may take; then the answer is `timed_out`, and the change may be lost.'),
  durability: z
    .enum(['process-death', 'power-loss'])
    .default('process-death')
    .describe(
      'What of an embedded store survives; the second flushes each commit, at a quarter of the speed.',
    ),
  flowPartitions: wholeNumber(1, 65_535)
    .optional()
    .describe('Partitions of flows and executions, fixed at the first boot (32).'),
  budgetPartitions: wholeNumber(1, 65_535)
    .optional()
    .describe('Partitions of budgets, fixed at the first boot (8).'),
  quotaPartitions: wholeNumber(1, 65_535)
    .optional()
    .describe('Partitions of quotas and records, fixed at the first boot (8).'),
  token: z
    .string()
    .min(16)
    .optional()
    .describe('A token with all scopes in all namespaces, at least 16 characters. `dev` mints one.')
    .meta({ secret: true }),
  signingKeys: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Secrets of the keys that sign waitpoints’ tokens, `<id>:<secret>`, separated by commas or line breaks; a secret has at least 32 characters. `dev` and embedded stores keep their own.',
    )
    .meta({ secret: true }),
  webhookAllow: z
    .string()
    .default('')
    .describe(
      'Networks that webhooks may reach though they are not public, such as `10.1.0.0/16,::1`; default none.',
    ),
  webhookHttp: onOff.default(false).describe('Whether webhooks may go to `http:` addresses.'),
  host: z.string().min(1).default(defaultHost).describe('Address to listen on.'),
  port: wholeNumber(0, 65_535).default(defaultPort).describe('Port to listen on; 0 takes any.'),
  api: onOff.default(true).describe('Whether this process serves HTTP.'),
  scanners: onOff.default(true).describe('Whether this process runs the background scanners.'),
  bodyBytesMax: wholeNumber(1_024, 1_073_741_824)
    .default(limits.bodyBytesMax)
    .describe('The longest body of a request.'),
  requestsPerSecond: wholeNumber(0, 1_000_000)
    .default(0)
    .describe('Requests of each API token in a second, in this process; 0 is any number.'),
  shutdownGraceMs: wholeNumber(0, 600_000)
    .default(10_000)
    .describe('How long running passes may take to end at a shutdown.'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('Least level that is logged.'),
})

export type Settings = z.output<typeof settingsSchema>
export type SettingName = keyof Settings

export const settingNames = Object.keys(settingsSchema.shape) as readonly SettingName[]

/** `postgresUrl` → `FF_POSTGRES_URL`. */
export function environmentName(name: SettingName): string {
  return `FF_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** `postgresUrl` → `--postgres-url`. */
export function flagName(name: SettingName): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

export function isSecret(name: SettingName): boolean {
  return (settingsSchema.shape[name] as z.ZodType).meta()?.secret === true
}

export function describeSetting(name: SettingName): string {
  return (settingsSchema.shape[name] as z.ZodType).description ?? ''
}
