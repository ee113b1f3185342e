export type { InspectedExecution } from './inspect/inspect-execution.js'
export type { PostgresBackendOptions } from './options.js'
export { type OpenedPglite, type OpenPgliteOptions, openPglite } from './pglite/open-pglite.js'
export { createPostgresBackend, type PostgresBackend } from './postgres-backend.js'
