export type { PostgresBackendOptions } from './options.js'
export { type OpenedPglite, type OpenPgliteOptions, openPglite } from './pglite/open-pglite.js'
export { createPostgresBackend } from './postgres-backend.js'
